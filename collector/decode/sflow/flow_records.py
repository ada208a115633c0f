"""The records of flow samples to cells: what was sampled, and what the switch knew of it.

Each function takes the places of the first record of its format in each sample; a record that is
shorter than its format tells nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from collector.decode import arrow
from collector.decode.octets import Mask, Octets, Places
from collector.decode.sflow import frame
from collector.decode.sflow.datagram import PEN
from collector.decode.sflow.walk import Items
from collector.decode.sparse import Cells

USER = (PEN, 33010)
BYTES_OF_FRAME, BYTES_OF_PACKET = (0, 352), (0, 1)
DISCARD_REASON = (PEN, 33003)
_UNKNOWN = 0xFFFFFFFF
_MOST_SEGMENTS = 32
_MOST_TEXT = 256


class Records(NamedTuple):
    """The records of one format, a value for each sample."""

    octets: Octets
    at: Places
    """Where it begins; 0 where there is none."""
    end: Places
    """0 where there is none."""

    def room(self, size: int) -> Mask:
        """Tell where a record of at least so many bytes is."""
        room: Mask = self.at + size <= self.end
        return room


Reader = Callable[[Records, Cells], None]


def read(
    octets: Octets, records: Items, cells: Cells, readers: Mapping[int, Reader] | None = None
) -> int:
    """Put what the records say into `cells`; return how many are of formats that are not read.

    Args:
        octets: Where they lie.
        records: Each one's owner is its row.
        cells: Of all rows.
        readers: By format; those of flow samples if not given.
    """
    readers = READERS if readers is None else readers
    tags = np.unique(records.tag).tolist()
    for tag, reader in readers.items():
        if tag in tags:
            rows = np.flatnonzero(records.tag == tag)[::-1]  # so that the first is put last
            at, end = np.zeros(cells.rows, np.int64), np.zeros(cells.rows, np.int64)
            owner, start = records.owner[rows], records.start[rows]
            at[owner], end[owner] = start, start + records.size[rows]
            reader(Records(octets, at, end), cells)
    return int(sum((records.tag == tag).sum() for tag in tags if tag not in readers))


def _header(found: Records, cells: Cells) -> None:
    """sampled_header: protocol, length of the frame, bytes left out at its end, the first bytes."""
    octets, here = found.octets, found.room(16)
    at = found.at
    protocol, size = octets.u32(at), octets.u32(at + 12)
    cells.put(BYTES_OF_FRAME, 4, octets.u32(at + 4), here)
    end = np.minimum(at + 16 + size, found.end)
    frame.read(octets, np.where(here, at + 16, -1), end, protocol, cells)
    read_at_all = (frame.ETHERNET, frame.IPV4, frame.IPV6, frame.MPLS)
    other = here & ~np.isin(protocol, read_at_all)
    cells.put((PEN, 33007), 4, protocol, other)


def _ethernet(found: Records, cells: Cells) -> None:
    octets, at, here = found.octets, found.at, found.room(24)
    cells.put(BYTES_OF_FRAME, 4, octets.u32(at), here)
    cells.put((0, 56), 6, octets.u64(at + 4) >> np.uint64(16), here)
    cells.put((0, 80), 6, octets.u64(at + 12) >> np.uint64(16), here)
    kind = octets.u32(at + 20)
    cells.put((0, 256), 2, kind & 0xFFFF, here & (kind != 0x0800) & (kind != 0x86DD))


def _ipv4(found: Records, cells: Cells) -> None:
    _ip(found, cells, 4, found.room(32))


def _ipv6(found: Records, cells: Cells) -> None:
    _ip(found, cells, 6, found.room(56))


def _ip(found: Records, cells: Cells, version: int, here: Mask) -> None:
    """sampled_ipv4, sampled_ipv6: what a frame's header did not tell."""
    octets, at = found.octets, found.at
    here = here & ~cells.told((0, 60))
    size = 4 if version == 4 else 16
    protocol = octets.u32(at + 4)
    after = at + 8 + 2 * size
    cells.put(BYTES_OF_FRAME, 4, octets.u32(at), here & ~cells.told(BYTES_OF_FRAME))
    cells.put((0, 60), 1, np.full(len(at), version), here)
    cells.put((0, 4), 1, protocol & 0xFF, here)
    for element, place in (((0, 8), at + 8), ((0, 12), at + 8 + size)):
        if version == 4:
            cells.put(element, 4, octets.u32(place), here)
        else:
            cells.put((0, element[1] // 4 + 25), 16, octets.some(place, 16), here)
    icmp = (protocol == 1) | (protocol == 58)
    cells.put((0, 7), 2, octets.u32(after) & 0xFFFF, here & ~icmp)
    cells.put((0, 11), 2, octets.u32(after + 4) & 0xFFFF, here & ~icmp)
    cells.put((0, 6), 2, octets.u32(after + 8) & 0xFF, here & (protocol == 6))
    cells.put((0, 5), 1, octets.u32(after + 12) & 0xFF, here)


def _switch(found: Records, cells: Cells) -> None:
    """extended_switch: the VLAN, also where the frame bore no tag; the new one where it changed."""
    octets, at, here = found.octets, found.at, found.room(16)
    before, after = octets.u32(at), octets.u32(at + 8)
    cells.put((0, 243), 2, before & 0xFFF, here & (before > 0) & (before < 0x1000))
    changed = here & (after > 0) & (after < 0x1000) & (after != before)
    cells.put((0, 254), 2, after & 0xFFF, changed)


def _router(found: Records, cells: Cells) -> None:
    """extended_router: the next hop and the lengths of both prefixes."""
    octets, after = found.octets, _address(found, found.at, cells, (0, 15), (0, 62))
    here = (after > 0) & (after + 8 <= found.end)
    six = octets.u32(found.at) == 2
    for four_id, six_id, place in ((9, 29, after), (13, 30, after + 4)):
        bits = octets.u32(place)
        told = here & (bits > 0) & (bits <= 128)
        cells.put((0, four_id), 1, bits, told & ~six)
        cells.put((0, six_id), 1, bits, told & six)


def _gateway(found: Records, cells: Cells) -> None:
    """extended_gateway: autonomous systems; the last one of the path is the destination's."""
    octets, after = found.octets, _address(found, found.at, cells, (0, 15), (0, 62))
    here = (after > 0) & (after + 16 <= found.end)
    own = octets.u32(after)
    cells.put((PEN, 33013), 4, own, here & (own > 0))
    cells.put((0, 16), 4, octets.u32(after + 4), here)
    peer = octets.u32(after + 8)
    cells.put((PEN, 33012), 4, peer, here & (peer > 0))
    left = np.where(here, octets.u32(after + 12), 0)
    at = np.where(here, after + 16, 0)
    last = np.zeros(len(at), np.int64)
    for _ in range(_MOST_SEGMENTS):
        here = here & (left > 0) & (at + 8 <= found.end)
        if not here.any():
            break
        count = octets.u32(at + 4)
        here &= at + 8 + 4 * count <= found.end
        last = np.where(here & (count > 0), at + 4 + 4 * count, last)
        at = np.where(here, at + 8 + 4 * count, at)
        left = left - here
    cells.put((0, 17), 4, octets.u32(last), last > 0)
    start = np.where(last > 0, after + 16, 0)
    path = slices(octets, start, np.where(last > 0, last + 4 - start, 0))
    cells.put_texts((PEN, 33009), _formatted(path, _path), last > 0)


def _path(octets: bytes) -> bytes:
    """Return AS path segments as text: sets in braces, sequences plain."""
    words, at = [], 0
    while at + 8 <= len(octets):
        kind, count = (int.from_bytes(octets[n : n + 4], "big") for n in (at, at + 4))
        at += 8
        end = at + 4 * count
        numbers = [str(int.from_bytes(octets[n : n + 4], "big")) for n in range(at, end, 4)]
        at = end
        words.append("{" + ",".join(numbers) + "}" if kind == 1 else " ".join(numbers))
    return " ".join(word for word in words if word).encode()


def _user(found: Records, cells: Cells) -> None:
    """extended_user: the names of whoever sends and of whoever is sent to."""
    here, at = found.room(8), found.at + 4
    for element in (USER, (PEN, 33008)):
        start, size, after = string(found, at, here)
        cells.put_texts(element, slices(found.octets, start, size), size > 0)
        here, at = (after > 0) & (after + 8 <= found.end), after + 4


def _nat(found: Records, cells: Cells) -> None:
    """extended_nat: the addresses as translated; equal to those of the header where not."""
    after = _address(found, found.at, cells, (0, 225), (0, 281))
    _address(found, np.where(after > 0, after, found.end), cells, (0, 226), (0, 282))


def _nat_port(found: Records, cells: Cells) -> None:
    """extended_nat_port: the ports as translated, 0 for none."""
    for element, place in (((0, 227), found.at), ((0, 228), found.at + 4)):
        port = found.octets.u32(place)
        cells.put(element, 2, port & 0xFFFF, found.room(8) & (port > 0) & (port <= 0xFFFF))


def _radio(found: Records, cells: Cells) -> None:
    """extended_80211_rx and _tx: the network's name and the access point."""
    start, size, after = string(found, found.at, found.room(4))
    cells.put_texts((0, 147), slices(found.octets, start, size), size > 0)
    here = (after > 0) & (after + 8 <= found.end)
    cells.put((0, 367), 6, found.octets.u64(after) >> np.uint64(16), here)


def _queue(found: Records, cells: Cells) -> None:
    cells.put((PEN, 33014), 4, found.octets.u32(found.at), found.room(4))


def _acl(found: Records, cells: Cells) -> None:
    """extended_acl: number, name and direction of the rule."""
    octets, here = found.octets, found.room(8)
    cells.put((PEN, 33015), 4, octets.u32(found.at), here)
    start, size, after = string(found, found.at + 4, here)
    cells.put_texts((PEN, 33016), slices(octets, start, size), size > 0)
    here = (after > 0) & (after + 4 <= found.end)
    cells.put((PEN, 33017), 4, octets.u32(after), here)


def _function(found: Records, cells: Cells) -> None:
    """extended_function: where in the kernel the packet was dropped."""
    start, size, _ = string(found, found.at, found.room(4))
    cells.put_texts((PEN, 33018), slices(found.octets, start, size), size > 0)


def _address(
    found: Records, at: Places, cells: Cells, four: tuple[int, int], six: tuple[int, int]
) -> Places:
    """Read an address with its type before it; return what follows it, 0 where it is not whole."""
    octets = found.octets
    here = (found.end > 0) & (at + 4 <= found.end)
    kind = octets.u32(at)
    is_four, is_six = (here & (kind == n) & (at + 4 + size <= found.end) for n, size in _SIZES)
    cells.put(four, 4, octets.u32(at + 4), is_four)
    if is_six.any():
        cells.put(six, 16, octets.some(at + 4, 16), is_six)
    after = np.where(is_four, at + 8, np.where(is_six, at + 20, 0))
    return np.where(here & (kind == 0), at + 4, after)


_SIZES = ((1, 4), (2, 16))


def string(found: Records, at: Places, here: Mask) -> tuple[Places, Places, Places]:
    """Return where a string begins, how many bytes are taken, and what follows its padding.

    A string that ends the record may go without its padding, as some exporters send it.
    """
    size = found.octets.u32(at)
    here = here & (at + 4 <= found.end) & (at + 4 + size <= found.end)
    after = np.where(here, np.minimum(at + 4 + (size + 3 & ~3), found.end), 0)
    return np.where(here, at + 4, 0), np.where(here, np.minimum(size, _MOST_TEXT), 0), after


def slices(octets: Octets, start: Places, size: Places) -> pa.Array[Any]:
    """Return parts of the bytes as Arrow binary."""
    offsets = np.zeros(len(start) + 1, np.int64)
    np.cumsum(size, out=offsets[1:])
    where = np.arange(offsets[-1]) + np.repeat(start - offsets[:-1], size)
    return arrow.binary(octets.data[where], offsets)


def _formatted(values: pa.Array[Any], form: Callable[[bytes], bytes]) -> pa.Array[Any]:
    """Return each value in another form, made once for each distinct one."""
    codes, distinct = arrow.encode(values)
    texts: Any = pa.array([form(v or b"") for v in distinct.to_pylist()], pa.large_binary())
    found: npt.NDArray[np.int64] = arrow.numpy(codes).astype(np.int64)
    return arrow.take(texts, found)


READERS: Mapping[int, Reader] = {
    1: _header,
    2: _ethernet,
    3: _ipv4,
    4: _ipv6,
    1001: _switch,
    1002: _router,
    1003: _gateway,
    1004: _user,
    1007: _nat,
    1015: _radio,
    1020: _nat_port,
    1036: _queue,
    1037: _acl,
    1038: _function,
}
"""By format, of enterprise 0; in this order, so that a frame's own header comes first."""
