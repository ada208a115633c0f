# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""What the kernel lets through: DNS answers, TLS ClientHellos and QUIC Initial packets.

Packets begin at the IP header. The filter knows no connections, so of a ClientHello in several TCP
segments it takes the later ones by their looks: on the ports of TLS, the last segment of a write
(PSH) that does not begin as a TLS record does. An upload shows a few of these, `ear.py` forgets
them. A load behind the end of a packet refuses it.
"""

from __future__ import annotations

from collector.sniff.bpf import (
    ADD,
    ADD_X,
    AND,
    JA,
    JEQ,
    JGT_X,
    JSET,
    LD_MEM,
    LDB,
    LDB_X,
    LDH,
    LDH_X,
    LDW_X,
    LDX,
    LDX_IP,
    PROTOCOL,
    RET,
    RSH,
    ST,
    TAX,
    Line,
    assembled,
    one_of,
)
from collector.sniff.bpf import LDW as LOAD

LONGEST = 16_384
"""Bytes of a packet that are looked at: the kernel joins segments before we see them."""
DNS = 53
TLS_PORTS = (443, 8443)
QUIC_PORTS = (443, 8443)
QUIC_V1, QUIC_V2 = 1, 0x6B3343CF
_IP, _IP6, _UDP, _TCP = 0x0800, 0x86DD, 17, 6
_RECORDS = (0x1403, 0x1503, 0x1603, 0x1703)
"""How TLS records begin (RFC 8446 section 5.1)."""
_PSH = 8
_END, _FLAGS, _TO = 0, 1, 2
"""Cells: where the packet ends, TCP's flags, the port it goes to."""


def program() -> bytes:
    """Return the filter as the kernel takes it."""
    listing: list[Line] = [
        ("", (LOAD, "", "", PROTOCOL)),
        ("", (JEQ, "ip", "", _IP)),
        ("", (JEQ, "ip6", "no", _IP6)),
        ("ip", (LDH, "", "", 2)),
        ("", (ST, "", "", _END)),
        ("", (LDH, "", "", 6)),
        ("", (JSET, "no", "", 0x1FFF)),  # a later fragment has no ports (RFC 791)
        ("", (LDX_IP, "", "", 0)),
        ("", (LDB, "", "", 9)),
        ("", (JA, "what", "", 0)),
        ("ip6", (LDH, "", "", 4)),
        ("", (ADD, "", "", 40)),
        ("", (ST, "", "", _END)),
        ("", (LDX, "", "", 40)),
        ("", (LDB, "", "", 6)),
        ("what", (JEQ, "udp", "", _UDP)),
        ("", (JEQ, "tcp", "no", _TCP)),
        *_udp(),
        *_tcp(),
        ("yes", (RET, "", "", LONGEST)),
        ("no", (RET, "", "", 0)),
    ]
    return assembled(listing)


def _udp() -> list[Line]:
    """X is where the UDP header begins."""
    return [
        ("udp", (LDH_X, "", "", 0)),
        ("", (JEQ, "", "ask", DNS)),
        ("", (LDB_X, "", "", 10)),
        ("", (JSET, "yes", "no", 0x80)),  # QR: an answer (RFC 1035 section 4.1.1)
        ("ask", (LDH_X, "", "", 2)),
        *one_of(QUIC_PORTS, so="quic", otherwise="no"),
        # The type stands in the first octet, which is protected in its lower half alone
        # (RFC 9001 section 5.4.1); version 2 numbers the types anew (RFC 9369 section 3.2).
        ("quic", (LDW_X, "", "", 9)),
        ("", (JEQ, "v1", "", QUIC_V1)),
        ("", (JEQ, "", "no", QUIC_V2)),
        ("", (LDB_X, "", "", 8)),
        ("", (AND, "", "", 0xF0)),
        ("", (JEQ, "yes", "no", 0xD0)),
        ("v1", (LDB_X, "", "", 8)),
        ("", (AND, "", "", 0xF0)),
        ("", (JEQ, "yes", "no", 0xC0)),
    ]


def _tcp() -> list[Line]:
    """X is where the TCP header begins, then where its payload does."""
    return [
        ("tcp", (LDB_X, "", "", 13)),
        ("", (ST, "", "", _FLAGS)),
        ("", (LDH_X, "", "", 0)),
        ("", (JEQ, "", "to", DNS)),
        ("", (ADD, "", "", 0xFFFF)),  # no port is so high: what goes to a resolver is not meant
        ("", (JA, "keep", "", 0)),
        ("to", (LDH_X, "", "", 2)),
        ("keep", (ST, "", "", _TO)),
        ("", (LDB_X, "", "", 12)),
        ("", (AND, "", "", 0xF0)),
        ("", (RSH, "", "", 2)),
        ("", (ADD_X, "", "", 0)),
        ("", (TAX, "", "", 0)),
        ("", (LD_MEM, "", "", _END)),
        ("", (JGT_X, "", "no", 0)),  # no payload
        ("", (LD_MEM, "", "", _TO)),
        ("", (JEQ, "yes", "", 0xFFFF + DNS)),
        # A record with a handshake message of type 1, of a version that begins with 3.
        ("", (LDH_X, "", "", 0)),
        *one_of((_RECORDS[2],), so="hello", otherwise="rest"),
        ("hello", (LDB_X, "", "", 5)),
        ("", (JEQ, "", "no", 1)),
        ("", (LDB_X, "", "", 9)),
        ("", (JEQ, "yes", "no", 3)),
        ("rest", (LDH_X, "", "", 0)),
        *one_of(_RECORDS, so="no"),
        ("", (LD_MEM, "", "", _FLAGS)),
        ("", (JSET, "", "no", _PSH)),
        ("", (LD_MEM, "", "", _TO)),
        *one_of(TLS_PORTS, otherwise="no"),
    ]
