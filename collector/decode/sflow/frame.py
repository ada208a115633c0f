"""The first bytes of sampled frames to addresses, ports and tags, many frames at once.

Ethernet with 802.1Q and QinQ tags, SNAP, PPPoE and MPLS before IPv4 and IPv6 with their extension
headers, before TCP, UDP, SCTP and ICMP. The sampled bytes may end anywhere: what is not there is
not told.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from collector.decode.octets import Mask, Octets, Places
from collector.decode.sparse import Cells

ETHERNET, IPV4, IPV6, MPLS = 1, 11, 12, 13
"""Kinds of sampled headers that are read (sFlow 5, `header_protocol`)."""
_TYPE_V4, _TYPE_V6, _TYPE_MPLS, _TYPE_MPLS_UP, _TYPE_PPPOE = 0x0800, 0x86DD, 0x8847, 0x8848, 0x8864
_TAGS = (0x8100, 0x88A8, 0x9100, 0x9200)
_LEAST_TYPE = 0x600
"""What is less is the length of an 802.3 frame."""
_SNAP = 0xAAAA03
_PPP = {0x0021: _TYPE_V4, 0x0057: _TYPE_V6}
_MOST_TAGS, _MOST_LABELS, _MOST_EXTENSIONS = 4, 8, 8
_ICMP, _TCP, _UDP, _DCCP, _ICMP6, _SCTP, _UDP_LITE = 1, 6, 17, 33, 58, 132, 136
_FRAGMENT, _AUTHENTICATION = 44, 51
_OPTIONS = (0, 43, 60)


class Inner(NamedTuple):
    """Where each frame was read up to, and what comes there."""

    at: Places
    end: Places
    kind: Places
    """An EtherType; 0 for what is not known."""


def read(octets: Octets, at: Places, end: Places, protocol: Places, cells: Cells) -> None:
    """Put what the frames' headers say into `cells`.

    Args:
        octets: Where they lie.
        at: Where each begins; -1 where none was sampled.
        end: Where its sampled bytes end.
        protocol: What it begins with.
        cells: Of the same rows.
    """
    here = at >= 0
    at, end = np.where(here, at, 0), np.where(here, end, 0)
    kind = np.zeros(len(at), np.int64)
    for number, known in ((IPV4, _TYPE_V4), (IPV6, _TYPE_V6), (MPLS, _TYPE_MPLS)):
        kind = np.where(protocol == number, known, kind)
    inner = Inner(at, end, np.where(here, kind, 0))
    ethernet = here & (protocol == ETHERNET)
    if ethernet.any():
        inner = _ethernet(octets, inner, ethernet, cells)
    for step in (_pppoe, _mpls):
        inner = step(octets, inner, cells)
    _ip(octets, inner, cells)


def _ethernet(octets: Octets, inner: Inner, here: Mask, cells: Cells) -> Inner:
    at, end, kind = inner
    here = here & (at + 14 <= end)
    low = (1 << 48) - 1
    cells.put((0, 80), 6, octets.u64(at) >> np.uint64(16), here)
    cells.put((0, 56), 6, octets.u64(at + 4) & np.uint64(low), here)
    kind = np.where(here, octets.u16(at + 12), kind)
    at = np.where(here, at + 14, at)
    at, kind = _tags(octets, Inner(at, end, kind), here, cells)
    snap = here & (kind < _LEAST_TYPE) & (at + 8 <= end)
    if snap.any():
        snap &= octets.u32(at) >> 8 == _SNAP
        kind = np.where(snap, octets.u16(at + 6), kind)
        at = np.where(snap, at + 8, at)
    cells.put((0, 256), 2, kind, here & (kind != _TYPE_V4) & (kind != _TYPE_V6))
    return Inner(at, end, kind)


def _tags(octets: Octets, inner: Inner, here: Mask, cells: Cells) -> tuple[Places, Places]:
    """Pass the tags; the first one's VLAN and the second one's are told."""
    at, end, kind = inner
    for element in (((0, 243), (0, 245)) + ((0, 0),) * _MOST_TAGS)[:_MOST_TAGS]:
        tagged = here & (at + 4 <= end) & _any_of(kind, _TAGS)
        if not tagged.any():
            break
        if element[1]:
            cells.put(element, 2, octets.u16(at) & 0xFFF, tagged)
        kind = np.where(tagged, octets.u16(at + 2), kind)
        at = np.where(tagged, at + 4, at)
    return at, kind


def _pppoe(octets: Octets, inner: Inner, cells: Cells) -> Inner:  # noqa: ARG001  # as _mpls
    at, end, kind = inner
    here = (kind == _TYPE_PPPOE) & (at + 8 <= end)
    if not here.any():
        return inner
    said = octets.u16(at + 6)
    for number, known in _PPP.items():
        kind = np.where(here & (said == number), known, kind)
    return Inner(np.where(here, at + 8, at), end, kind)


def _mpls(octets: Octets, inner: Inner, cells: Cells) -> Inner:
    """Pass the labels; what follows the last one tells by its first bits what it is."""
    at, end, kind = inner
    here = (kind == _TYPE_MPLS) | (kind == _TYPE_MPLS_UP)
    if not here.any():
        return inner
    cells.put((0, 70), 3, octets.u32(at) >> 8, here & (at + 4 <= end))
    left = here
    bottom = np.zeros(len(at), np.bool_)
    for _ in range(_MOST_LABELS):
        left = left & ~bottom & (at + 4 <= end)
        if not left.any():
            break
        bottom |= left & (octets.u32(at) & 0x100 != 0)
        at = np.where(left, at + 4, at)
    version = octets.u8(at) >> 4
    inside = here & bottom & (at < end)
    kind = np.where(here, 0, kind)
    kind = np.where(inside & (version == 4), _TYPE_V4, kind)
    return Inner(at, end, np.where(inside & (version == 6), _TYPE_V6, kind))


def _ip(octets: Octets, inner: Inner, cells: Cells) -> None:
    at, end, kind = inner
    first = octets.u8(at)
    four = (kind == _TYPE_V4) & (at + 20 <= end) & (first >> 4 == 4) & (first & 15 >= 5)
    six = (kind == _TYPE_V6) & (at + 40 <= end) & (first >> 4 == 6)
    cells.put((0, 60), 1, first >> 4, four | six)
    protocol = np.where(four, octets.u8(at + 9), 0)
    whole = four & (octets.u16(at + 6) & 0x1FFF == 0)
    inside = np.where(four, at + (first & 15) * 4, at)
    cells.put((0, 8), 4, octets.u32(at + 12), four)
    cells.put((0, 12), 4, octets.u32(at + 16), four)
    tos = octets.u8(at + 1)
    if six.any():
        cells.put((0, 27), 16, octets.some(at + 8, 16), six)
        cells.put((0, 28), 16, octets.some(at + 24, 16), six)
        tos = np.where(six, octets.u16(at) >> 4 & 0xFF, tos)
        protocol, inside, first_part = _extensions(octets, at, end, six, protocol, inside)
        whole |= first_part
    cells.put((0, 5), 1, tos, four | six)
    cells.put((0, 4), 1, protocol, four | six)
    _transport(octets, inside, end, np.where(whole, protocol, -1), cells)


def _extensions(
    octets: Octets, at: Places, end: Places, six: Mask, protocol: Places, inside: Places
) -> tuple[Places, Places, Mask]:
    """Pass the extension headers of IPv6 (RFC 8200 section 4); tell what is no later fragment."""
    following = np.where(six, octets.u8(at + 6), protocol)
    inside = np.where(six, at + 40, inside)
    whole, left = six, six
    for _ in range(_MOST_EXTENSIONS):
        fragment = following == _FRAGMENT
        known = _any_of(following, _OPTIONS) | fragment | (following == _AUTHENTICATION)
        left = left & known & (inside + 8 <= end)
        if not left.any():
            break
        whole = whole & ~(left & fragment & (octets.u16(inside + 2) >> 3 != 0))
        length = octets.u8(inside + 1)
        size = np.where(following == _AUTHENTICATION, (length + 2) * 4, (length + 1) * 8)
        size = np.where(fragment, 8, size)
        following = np.where(left, octets.u8(inside), following)
        inside = np.where(left, inside + size, inside)
    return following, inside, whole


def _transport(octets: Octets, at: Places, end: Places, protocol: Places, cells: Cells) -> None:
    ports = _any_of(protocol, (_TCP, _UDP, _SCTP, _DCCP, _UDP_LITE)) & (at + 4 <= end)
    cells.put((0, 7), 2, octets.u16(at), ports)
    cells.put((0, 11), 2, octets.u16(at + 2), ports)
    tcp = (protocol == _TCP) & (at + 14 <= end)
    cells.put((0, 6), 2, octets.u16(at + 12) & 0x0FFF, tcp)
    icmp = _any_of(protocol, (_ICMP, _ICMP6)) & (at + 2 <= end)
    cells.put((0, 32), 2, octets.u16(at), icmp)


def _any_of(values: Places, wanted: tuple[int, ...]) -> Mask:
    found: Mask = values == wanted[0]
    for value in wanted[1:]:
        found |= values == value
    return found
