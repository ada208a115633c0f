# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""A packet socket that the kernel filters: only DHCP, ARP and neighbour discovery come through."""

from __future__ import annotations

import ctypes
import socket
import struct
from types import TracebackType
from typing import Self

ETH_P_ALL = 3
SOL_PACKET = 263
PACKET_STATISTICS = 6
SO_ATTACH_FILTER = 26
LONGEST = 2048
"""Bytes of a packet that are looked at."""
RECEIVE_BUFFER = 4 << 20

_ARP, _IP, _IP6 = 0x0806, 0x0800, 0x86DD
_UDP, _ICMP6 = 17, 58
_EXTENDED = (0, 43, 60)
"""IPv6 headers that may stand before ICMPv6: what hides behind one must not go unseen."""
_DHCP, _DHCP6 = (67, 68), (546, 547)
_ND = (134, 135, 136)
"""Router advertisement, neighbour solicitation and advertisement (RFC 4861 section 4)."""

Instruction = tuple[int, str, str, int]
"""Code, where to go on if it is so, where if not (labels, empty: the next), and its constant."""
_LDH, _LDB, _LDXB, _LDH_X = 0x28, 0x30, 0xB1, 0x48
_JEQ, _JSET, _RET = 0x15, 0x45, 0x06


def program() -> bytes:
    """Return the filter as the kernel takes it (struct sock_filter, Linux filter.h)."""
    listing: list[tuple[str, Instruction]] = [("", (_LDH, "", "", 12))]
    listing += [("", (_JEQ, "yes", "", _ARP)), ("", (_JEQ, "ip", "", _IP))]
    listing += [("", (_JEQ, "ip6", "no", _IP6))]
    listing += [("ip", (_LDB, "", "", 23)), ("", (_JEQ, "", "no", _UDP))]
    # A later fragment has no ports (RFC 791).
    listing += [("", (_LDH, "", "", 20)), ("", (_JSET, "no", "", 0x1FFF))]
    listing += [("", (_LDXB, "", "", 14))]
    listing += [("", (_LDH_X, "", "", 14)), *_one_of(_DHCP)]
    listing += [("", (_LDH_X, "", "", 16)), *_one_of(_DHCP, otherwise="no")]
    listing += [("ip6", (_LDB, "", "", 20)), *_one_of(_EXTENDED)]
    listing += [("", (_JEQ, "icmp6", "", _ICMP6)), ("", (_JEQ, "", "no", _UDP))]
    listing += [("", (_LDH, "", "", 54)), *_one_of(_DHCP6)]
    listing += [("", (_LDH, "", "", 56)), *_one_of(_DHCP6, otherwise="no")]
    listing += [("icmp6", (_LDB, "", "", 54)), *_one_of(_ND, otherwise="no")]
    listing += [("yes", (_RET, "", "", LONGEST)), ("no", (_RET, "", "", 0))]
    places = {label: at for at, (label, _) in enumerate(listing) if label}
    return b"".join(_assembled(at, each, places) for at, (_, each) in enumerate(listing))


def _one_of(values: tuple[int, ...], otherwise: str = "") -> list[tuple[str, Instruction]]:
    steps = [("", (_JEQ, "yes", "", value)) for value in values[:-1]]
    return [*steps, ("", (_JEQ, "yes", otherwise, values[-1]))]


def _assembled(at: int, each: Instruction, places: dict[str, int]) -> bytes:
    code, so, not_so, constant = each
    jumps = [places[label] - at - 1 if label else 0 for label in (so, not_so)]
    return struct.pack("=HBBI", code, *jumps, constant)


class Wire:
    """What passes on one interface, of the kinds that we watch."""

    def __init__(self, interface: str) -> None:
        self._interface = interface
        self._socket: socket.socket | None = None

    def __enter__(self) -> Self:
        """Open.

        Raises:
            OSError: no such interface, or no right to listen (CAP_NET_RAW).
        """
        # Protocol 0 hears nothing until bound: no packet comes in before the filter is there.
        opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        try:
            code = program()
            kept = ctypes.create_string_buffer(code, len(code))
            fprog = struct.pack("HP", len(code) // 8, ctypes.addressof(kept))
            opened.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, fprog)
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
            opened.bind((self._interface, ETH_P_ALL))
            opened.settimeout(0.5)
        except BaseException:
            opened.close()
            raise
        self._socket = opened
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close."""
        if self._socket is not None:
            self._socket.close()

    def next(self) -> bytes | None:
        """Return the next packet, or None when none came within half a second.

        Raises:
            OSError: the interface is gone.
        """
        if self._socket is None:
            raise OSError("the wire is not open")
        try:
            return self._socket.recv(LONGEST)
        except TimeoutError:
            return None

    def dropped(self) -> int:
        """Return how many packets the kernel dropped since last asked."""
        if self._socket is None:
            return 0
        told = self._socket.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8)
        return int(struct.unpack("=II", told)[1])
