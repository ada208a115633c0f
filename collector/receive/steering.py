"""Which of the sockets of one port a datagram goes to: told to the kernel, by the sender's address.

Left alone the kernel goes by address and port, and an exporter that sends from several ports would
be at several sockets: what it sends would come out of order. The program is classic BPF (see
linux/filter.h), which any process may attach to its own sockets.
"""

from __future__ import annotations

import ctypes
import socket
import struct

SO_ATTACH_REUSEPORT_CBPF = 51  # <asm-generic/socket.h>

_NETWORK = 0xFFF00000
"""SKF_NET_OFF: offsets from here on count from the IP header."""
_IPV4_SOURCE = 12
_IPV6_SOURCE = (8, 12, 16, 20)
_SPREAD = 0x9E3779B1
"""Knuth's multiplier: neighbours get different sockets."""

_LOAD_WORD, _LOAD_BYTE = 0x20, 0x30
_TO_X, _XOR_X = 0x07, 0xAC
_SHIFT, _TIMES, _REST = 0x74, 0x24, 0x94
_IF_EQUAL = 0x15
_GO = 0x05
_RETURN = 0x16

_Step = tuple[int, int, int, int]
"""Code, steps to skip if true, if false, and a number."""


def steer(first: socket.socket, count: int) -> None:
    """Make the kernel choose among the sockets that share the port of `first`.

    Args:
        first: Any of them, bound.
        count: How many there are.

    Raises:
        OSError: the kernel does not take the program.
    """
    steps = _program(count)
    code = b"".join(struct.pack("=HBBI", *step) for step in steps)
    held = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("@HP", len(steps), ctypes.addressof(held))
    first.setsockopt(socket.SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, program)


def _program(count: int) -> list[_Step]:
    """Return: fold the source address to 32 bits, spread them, take the rest by `count`."""
    ipv6 = list(_fold(_IPV6_SOURCE))
    return [
        (_LOAD_BYTE, 0, 0, _NETWORK),
        (_SHIFT, 0, 0, 4),
        (_IF_EQUAL, 0, len(ipv6) + 1, 6),
        *ipv6,
        (_GO, 0, 0, 1),
        (_LOAD_WORD, 0, 0, _NETWORK + _IPV4_SOURCE),
        (_TIMES, 0, 0, _SPREAD),
        (_SHIFT, 0, 0, 16),
        (_REST, 0, 0, count),
        (_RETURN, 0, 0, 0),
    ]


def _fold(offsets: tuple[int, ...]) -> list[_Step]:
    first, *others = [(_LOAD_WORD, 0, 0, _NETWORK + offset) for offset in offsets]
    steps: list[_Step] = [first]
    for load in others:
        steps += [(_TO_X, 0, 0, 0), load, (_XOR_X, 0, 0, 0)]
    return steps
