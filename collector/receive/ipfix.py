"""IPFIX messages out of a byte stream (RFC 7011 section 10.4): each says its own length.

A stream has nothing to find the next message by: what is no message ends it, with one reason. What
came before stands. Pure: bytes in, messages out.
"""

from __future__ import annotations

import struct

from collector.records import FrameKind

VERSION = b"\0\x0a"
BEGIN = END = b""
"""An empty message before the first and after the last one: templates hold in between alone."""
_HEAD = struct.Struct(">HH")
_LEAST = 16
"""Bytes of a message's header; its length is told in 16 bits."""
_TLS = b"\x16\x03"
_NETFLOW = (b"\0\5", b"\0\7", b"\0\x09")
_OTHER = "it does not speak IPFIX"


class Messages:
    """Takes the bytes of one connection as they come and returns whole messages.

    It holds at most one of them, less than 64 KiB, besides what is fed at once.
    """

    kind = FrameKind.FLOW
    unit = "IPFIX messages"
    cut_note = "the connection ended within it"

    def __init__(self) -> None:
        self.fault = ""
        """Why nothing more can be read; what comes after is passed over."""
        self.cut = 0
        """Messages of which the end never came."""
        self.bad_lengths = self.skipped_bytes = 0
        """None: a wrong length ends the connection."""
        self._rest = bytearray()
        self._begun = False

    def feed(self, data: bytes | memoryview) -> list[bytes]:
        """Return the messages that `data` completes."""
        rest = self._rest
        if self.fault:
            return []
        rest += data
        found: list[bytes] = []
        at = 0
        while len(rest) - at >= _HEAD.size:
            version, size = _HEAD.unpack_from(rest, at)
            self.fault = _fault(bytes(rest[at : at + 2]), version, size)
            if self.fault or at + size > len(rest):
                break
            found.append(bytes(rest[at : at + size]))
            at += size
        del rest[:at]
        if self.fault:
            rest.clear()
        if found and not self._begun:
            self._begun = True
            found.insert(0, BEGIN)
        return found

    def finish(self) -> list[bytes]:
        """Return what ends the session; half a message is counted."""
        self.cut += bool(self._rest)
        self._rest.clear()
        begun, self._begun = self._begun, False
        return [END] if begun else []


def _fault(first: bytes, version: int, size: int) -> str:
    """Return why what begins so is no message of IPFIX."""
    if first == _TLS:
        return "it speaks TLS"
    if first in _NETFLOW:
        return f"it speaks NetFlow v{version}"
    if first != VERSION:
        return "it sends text" if first.isascii() and first.decode().isprintable() else _OTHER
    return f"it says that a message has {size} bytes" if size < _LEAST else ""
