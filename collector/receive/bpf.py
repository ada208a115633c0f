"""What the kernel is told to do with datagrams before they reach a socket's buffer.

Two programs of classic BPF (linux/filter.h), which any process may attach to its own sockets.
`spread` brings all of one sender's datagrams to one of the sockets that share a port: left alone
the kernel goes by address and port, and what an exporter sends from several ports would come out of
order. `thin` lets only a part of some senders' datagrams through, at random.
"""

from __future__ import annotations

import ctypes
import socket
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network

Network = IPv4Network | IPv6Network

# <asm-generic/socket.h>
SO_ATTACH_FILTER = 26
SO_ATTACH_REUSEPORT_CBPF = 51

MOST_STEPS = 4096
"""BPF_MAXINSNS."""
_NETWORK = 0xFFF00000
"""SKF_NET_OFF: offsets from here on count from the IP header."""
_RANDOM = 0xFFFFF000 + 56
"""SKF_AD_OFF + SKF_AD_RANDOM: loads 32 random bits."""
_SOURCE = {4: (12,), 6: (8, 12, 16, 20)}
"""Where the words of the source address are."""
_SPREAD = 0x9E3779B1
"""Knuth's multiplier: neighbours get different sockets."""
_WORD = 0xFFFFFFFF

_LOAD_WORD, _LOAD_BYTE = 0x20, 0x30
_TO_X, _XOR_X = 0x07, 0xAC
_AND, _SHIFT, _TIMES, _REST = 0x54, 0x74, 0x24, 0x94
_GO, _IF_EQUAL, _IF_GREATER = 0x05, 0x15, 0x25
_RETURN, _RETURN_A = 0x06, 0x16

_Step = tuple[int, int, int, int]
"""Code, steps to skip if true, if false, and a number."""


@dataclass(frozen=True, slots=True)
class Rule:
    """How large a part of a network's datagrams is let through."""

    network: Network
    part: float


def spread(first: socket.socket, count: int) -> None:
    """Make the kernel choose among the sockets that share the port of `first`.

    Args:
        first: Any of them, bound.
        count: How many there are.

    Raises:
        OSError: the kernel does not take the program.
    """
    _attach(first, SO_ATTACH_REUSEPORT_CBPF, spreading(count))


def thin(sockets: Iterable[socket.socket], rules: Sequence[Rule]) -> None:
    """Let each datagram through with the probability of the first rule that fits; else always.

    Raises:
        OSError: the kernel does not take the program.
        ValueError: so many rules make no program.
    """
    steps = thinning(rules)
    for each in sockets:
        _attach(each, SO_ATTACH_FILTER, steps)


def spreading(count: int) -> list[_Step]:
    """Return: fold the source address to 32 bits, spread them, take the rest by `count`."""
    ipv6 = list(_fold(_SOURCE[6]))
    return [
        *_version(),
        (_IF_EQUAL, 0, len(ipv6) + 1, 6),
        *ipv6,
        (_GO, 0, 0, 1),
        *_fold(_SOURCE[4]),
        (_TIMES, 0, 0, _SPREAD),
        (_SHIFT, 0, 0, 16),
        (_REST, 0, 0, count),
        (_RETURN_A, 0, 0, 0),
    ]


def thinning(rules: Sequence[Rule]) -> list[_Step]:
    """Return the rules for IPv4, then those for IPv6."""
    ipv4, ipv6 = (
        [step for rule in rules if rule.network.version == version for step in _rule(rule)]
        for version in (4, 6)
    )
    done = (_RETURN, 0, 0, _WORD)
    steps = [
        *_version(),
        (_IF_EQUAL, 1, 0, 4),
        (_GO, 0, 0, len(ipv4) + 1),
        *ipv4,
        done,
        *ipv6,
        done,
    ]
    if len(steps) > MOST_STEPS:
        raise ValueError(f"{len(rules)} rules make {len(steps)} steps; at most {MOST_STEPS}")
    return steps


def _rule(rule: Rule) -> list[_Step]:
    passed = (_RETURN, 0, 0, _WORD)
    if rule.part >= 1:
        act: list[_Step] = [passed]
    else:
        most = int(rule.part * _WORD)
        act = [(_LOAD_WORD, 0, 0, _RANDOM), (_IF_GREATER, 0, 1, most), (_RETURN, 0, 0, 0), passed]
    steps = act
    words = list(_words(rule.network))
    for offset, mask, value in reversed(words):
        test: list[_Step] = [(_LOAD_WORD, 0, 0, _NETWORK + offset)]
        if mask != _WORD:
            test.append((_AND, 0, 0, mask))
        test.append((_IF_EQUAL, 0, len(steps), value))
        steps = [*test, *steps]
    return steps


def _words(network: Network) -> Iterator[tuple[int, int, int]]:
    """Yield offset, mask and value of each word of the source that matters."""
    offsets = _SOURCE[network.version]
    for place, offset in enumerate(offsets):
        shift = 32 * (len(offsets) - 1 - place)
        mask = int(network.netmask) >> shift & _WORD
        if mask:
            yield offset, mask, int(network.network_address) >> shift & _WORD


def _version() -> list[_Step]:
    return [(_LOAD_BYTE, 0, 0, _NETWORK), (_SHIFT, 0, 0, 4)]


def _fold(offsets: tuple[int, ...]) -> Iterator[_Step]:
    for place, offset in enumerate(offsets):
        if place:
            yield _TO_X, 0, 0, 0
        yield _LOAD_WORD, 0, 0, _NETWORK + offset
        if place:
            yield _XOR_X, 0, 0, 0


def _attach(opened: socket.socket, option: int, steps: Sequence[_Step]) -> None:
    code = b"".join(struct.pack("=HBBI", *step) for step in steps)
    held = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("@HP", len(steps), ctypes.addressof(held))
    opened.setsockopt(socket.SOL_SOCKET, option, program)
