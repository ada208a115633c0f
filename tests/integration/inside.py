"""Sockets of this process inside a network namespace: what a device there would open."""

from __future__ import annotations

import contextlib
import ctypes
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

_LIBC = ctypes.CDLL(None, use_errno=True)
_CLONE_NEWNET = 0x40000000
_ONE_AT_A_TIME = threading.RLock()
WAIT_S = 10.0


@contextlib.contextmanager
def namespace(name: str) -> Iterator[None]:
    """Let this thread make sockets in a namespace; those made go on to be there."""
    with _ONE_AT_A_TIME:
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        there = os.open(Path("/run/netns") / name, os.O_RDONLY)
        try:
            _enter(there)
            yield
        finally:
            _enter(home)
            os.close(home)
            os.close(there)


def _enter(descriptor: int) -> None:
    if _LIBC.setns(descriptor, _CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


def open_socket(space: str, kind: socket.SocketKind, address: str = "") -> socket.socket:
    """Return a socket there, of the family of an address."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with namespace(space):
        opened = socket.socket(family, kind)
    opened.settimeout(WAIT_S)
    return opened


def connect(space: str, address: str, port: int, *, source: str = "") -> tuple[str, float]:
    """Try a TCP connection; return `open`, `reset` or `silent`, and after how many seconds."""
    with open_socket(space, socket.SOCK_STREAM, address) as wire:
        wire.settimeout(0.8)
        if source:
            wire.bind((source, 0))
        began = time.monotonic()
        try:
            wire.connect((address, port))
        except ConnectionRefusedError:
            return "reset", time.monotonic() - began
        except TimeoutError:
            return "silent", time.monotonic() - began
        except OSError as error:
            return str(error.strerror), time.monotonic() - began
        return "open", time.monotonic() - began


def dial(space: str, address: str, port: int) -> socket.socket:
    """Return an open TCP connection."""
    wire = open_socket(space, socket.SOCK_STREAM, address)
    wire.connect((address, port))
    return wire


def echo(wire: socket.socket, word: bytes = b"hello") -> bool:
    """Return whether an open connection still brings a word there and back within a second."""
    wire.settimeout(1.0)
    try:
        wire.sendall(word)
        return wire.recv(4096) == word
    except OSError:
        return False


def ask(space: str, address: str, port: int, word: bytes = b"hello") -> str:
    """Send one datagram; return `open`, `refused` (told so by the way) or `silent`."""
    with open_socket(space, socket.SOCK_DGRAM, address) as wire:
        wire.settimeout(1.0)
        try:
            wire.connect((address, port))
            wire.send(word)
            wire.recv(4096)
        except TimeoutError:
            return "silent"
        except OSError:
            return "refused"
        return "open"


def fetch(space: str, address: str, port: int = 80) -> bytes:
    """Return what a server says to a GET, or nothing."""
    with open_socket(space, socket.SOCK_STREAM, address) as wire:
        wire.settimeout(3.0)
        try:
            wire.connect((address, port))
            wire.sendall(b"GET / HTTP/1.0\r\n\r\n")
            return wire.recv(4096)
        except OSError:
            return b""
