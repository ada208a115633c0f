# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""A packet socket that the kernel filters; the filter for DHCP, ARP and neighbour discovery."""

from __future__ import annotations

import ctypes
import fcntl
import socket
import struct
from types import TracebackType
from typing import NamedTuple, Self

from collector.sniff import bpf
from collector.sniff.bpf import JEQ, JSET, LDB, LDH, LDH_X, LDX_IP, RET, one_of

ETH_P_ALL = 3
SOL_PACKET = 263
PACKET_STATISTICS = 6
SO_ATTACH_FILTER = 26
SO_TIMESTAMPNS = 35
SIOCGIFHWADDR = 0x8927
PACKET_ADD_MEMBERSHIP, PACKET_MR_PROMISC = 1, 1
LONGEST = 2048
"""Bytes of a packet that are looked at."""
RECEIVE_BUFFER = 4 << 20
_TIMESPEC = struct.Struct("qq")
_ANCILLARY = socket.CMSG_SPACE(_TIMESPEC.size)

_ARP, _IP, _IP6 = 0x0806, 0x0800, 0x86DD
_UDP, _ICMP6 = 17, 58
_EXTENDED = (0, 43, 60)
"""IPv6 headers that may stand before ICMPv6: what hides behind one must not go unseen."""
_DHCP, _DHCP6 = (67, 68), (546, 547)
_ND = (134, 135, 136)
"""Router advertisement, neighbour solicitation and advertisement (RFC 4861 section 4)."""


def program() -> bytes:
    """Return the filter as the kernel takes it."""
    listing: list[bpf.Line] = [("", (LDH, "", "", 12))]
    listing += [("", (JEQ, "yes", "", _ARP)), ("", (JEQ, "ip", "", _IP))]
    listing += [("", (JEQ, "ip6", "no", _IP6))]
    listing += [("ip", (LDB, "", "", 23)), ("", (JEQ, "", "no", _UDP))]
    # A later fragment has no ports (RFC 791).
    listing += [("", (LDH, "", "", 20)), ("", (JSET, "no", "", 0x1FFF))]
    listing += [("", (LDX_IP, "", "", 14))]
    listing += [("", (LDH_X, "", "", 14)), *one_of(_DHCP)]
    listing += [("", (LDH_X, "", "", 16)), *one_of(_DHCP, otherwise="no")]
    listing += [("ip6", (LDB, "", "", 20)), *one_of(_EXTENDED)]
    listing += [("", (JEQ, "icmp6", "", _ICMP6)), ("", (JEQ, "", "no", _UDP))]
    listing += [("", (LDH, "", "", 54)), *one_of(_DHCP6)]
    listing += [("", (LDH, "", "", 56)), *one_of(_DHCP6, otherwise="no")]
    listing += [("icmp6", (LDB, "", "", 54)), *one_of(_ND, otherwise="no")]
    listing += [("yes", (RET, "", "", LONGEST)), ("no", (RET, "", "", 0))]
    return bpf.assembled(listing)


def mac_of(interface: str) -> str:
    """Return the MAC of an interface of this machine. Raises OSError."""
    asked = struct.pack("16s24x", interface.encode())
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_:
        return fcntl.ioctl(any_, SIOCGIFHWADDR, asked)[18:24].hex(":")


class Heard(NamedTuple):
    """A packet, and when the kernel saw it, ns."""

    packet: bytes
    time_ns: int


class Wire:
    """What a filter lets pass of one interface's packets."""

    def __init__(
        self, interface: str, code: bytes, *, cooked: bool = False, longest: int = LONGEST
    ) -> None:
        """Make it; nothing is opened yet.

        Args:
            interface: Its name.
            code: The filter.
            cooked: Packets begin at the IP header, whatever the link; and those that are for
                others are heard too, as on a port that mirrors a switch.
            longest: Bytes of a packet that are looked at.
        """
        self._interface = interface
        self._code = code
        self._cooked = cooked
        self._longest = longest
        self._socket: socket.socket | None = None
        self._waiting = 0
        """Packets that passed the filter, without those that were dropped or taken."""

    def __enter__(self) -> Self:
        """Open.

        Raises:
            OSError: no such interface, or no right to listen (CAP_NET_RAW).
        """
        # Protocol 0 hears nothing until bound: no packet comes in before the filter is there.
        kind = socket.SOCK_DGRAM if self._cooked else socket.SOCK_RAW
        opened = socket.socket(socket.AF_PACKET, kind, 0)
        try:
            kept = ctypes.create_string_buffer(self._code, len(self._code))
            fprog = struct.pack("HP", len(self._code) // 8, ctypes.addressof(kept))
            opened.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, fprog)
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
            opened.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
            opened.bind((self._interface, ETH_P_ALL))
            if self._cooked:
                number = socket.if_nametoindex(self._interface)
                wanted = struct.pack("=iHH8x", number, PACKET_MR_PROMISC, 0)
                opened.setsockopt(SOL_PACKET, PACKET_ADD_MEMBERSHIP, wanted)
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

    def next(self) -> Heard | None:
        """Return the next packet, or None when none came within half a second.

        Raises:
            OSError: the interface is gone.
        """
        if self._socket is None:
            raise OSError("the wire is not open")
        try:
            packet, told, _, _ = self._socket.recvmsg(self._longest, _ANCILLARY)
        except TimeoutError:
            return None
        self._waiting -= 1
        for level, kind, value in told:
            if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS:
                seconds, nanoseconds = _TIMESPEC.unpack(value)
                return Heard(packet, seconds * 10**9 + nanoseconds)
        raise OSError("the kernel tells no time of packets")

    def dropped(self, *, last: bool = False) -> int:
        """Return how many packets the kernel dropped since last asked.

        Args:
            last: Nothing will be taken any more: what waits is dropped too.
        """
        if self._socket is None:
            return 0
        told = self._socket.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8)
        passed, dropped = struct.unpack("=II", told)
        self._waiting += passed - dropped
        return int(dropped) + (self._waiting if last else 0)
