"""Values of messages about connections to the columns of the `flows` log."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from collector.decode import addresses, arrow, extra, sampling, times, words
from collector.decode.addresses import Ends, Numbers
from collector.decode.batch import Mask
from collector.decode.conntrack.spans import Kinds, Spans
from collector.decode.conntrack.values import Values
from collector.decode.extra import Member

SOURCE = "conntrack"
_SIDES = {
    "src_ip": "orig_src",
    "dst_ip": "orig_dst",
    "nat_src_ip": "reply_dst",
    "nat_dst_ip": "reply_src",
}
"""Who answers, and to whom, is what source and destination became (`conntrack` calls it reply)."""
_PORTS = {
    "src_port": "orig_src_port",
    "dst_port": "orig_dst_port",
    "nat_src_port": "reply_dst_port",
    "nat_dst_port": "reply_src_port",
}
_WITH_PORTS = (6, 17, 33, 132, 136)
"""TCP, UDP, DCCP, SCTP, UDP-Lite; what others have in that place are no ports."""
_COUNTERS = {
    "packets": "orig_packets",
    "bytes": "orig_bytes",
    "packets_reverse": "reply_packets",
    "bytes_reverse": "reply_bytes",
}
_MOST = np.uint64(2**63 - 1)
_CREATED, _DESTROYED = {4: 4, 6: 1}, {4: 5, 6: 2}
"""NAT events (IANA, element 230): of NAT44 sessions; of any translation, which stands for IPv6."""

Columns = dict[str, "pa.Array[Any]"]


def columns(values: Values, kinds: Kinds, spans: Spans, received: Numbers) -> Columns:
    """Return the columns of these messages, a row each."""
    found: Columns = {"received": arrow.moments(received)}
    found["source"] = words.some(np.zeros(values.rows, np.int32), [SOURCE])
    _times(found, spans)
    protocol = values.get("orig_protocol").astype(np.int64)
    found["protocol"] = _int32(protocol, values.has("orig_protocol"))
    _ends(found, values, kinds, np.isin(protocol, _WITH_PORTS))
    for column, name in _COUNTERS.items():
        # Of an open connection they are not final: sums over rows would count them twice.
        told = values.get(name)
        whole = kinds.destroyed & values.has(name) & (told <= _MOST)
        found[column] = arrow.ints(np.where(whole, told, 0).astype(np.int64), whole)
    icmp = values.get("orig_icmp_type").astype(np.int64) << 8
    icmp |= values.get("orig_icmp_code").astype(np.int64)
    found["icmp_type_code"] = _int32(icmp, values.has("orig_icmp_type"))
    none = np.full(values.rows, sampling.ORIGINS.index("none"), np.int32)
    found["sampling_origin"] = words.some(none, list(sampling.ORIGINS))
    objects = extra.objects(_members(values, kinds), values.rows)
    if objects is not None:
        found["extra"] = objects
    return found


def _times(found: Columns, spans: Spans) -> None:
    found["time"] = arrow.moments(spans.start)
    found["time_end"] = arrow.moments(spans.end, spans.ended)
    found["clock"] = words.some(spans.verdict, times.VERDICTS)
    odd = spans.verdict == times.IMPLAUSIBLE
    if odd.any():
        found["exporter_start"] = arrow.moments(spans.kernel_start, odd)
        found["exporter_end"] = arrow.moments(spans.kernel_end, odd & spans.ended)


def _ends(found: Columns, values: Values, kinds: Kinds, ported: Mask) -> None:
    """Fill addresses and ports, those of NAT only where an end was translated."""
    ends = {column: _read(values, name) for column, name in _SIDES.items()}
    numbers = {
        column: (values.get(name).astype(np.int64), values.has(name) & ported)
        for column, name in _PORTS.items()
    }
    key, has = addresses.nat_key(ends, numbers, values.rows)
    translated = np.zeros(values.rows, np.bool_)
    for side in ("src", "dst"):
        other = ~addresses.unchanged(ends, numbers, side, values.rows)
        ends[f"nat_{side}_ip"] = ends[f"nat_{side}_ip"].only(other)
        port, told = numbers[f"nat_{side}_port"]
        numbers[f"nat_{side}_port"] = port, other & told
        translated |= other
    for column, end in ends.items():
        found[column] = end.text()
    for column, number in numbers.items():
        found[column] = _int32(*number)
    if has.any():
        found["nat_key"] = arrow.ints(key, has)
    found["nat_event"] = _events(values, kinds, translated)


def _read(values: Values, name: str) -> Ends:
    """Read an address column; a family that no row has is left out."""
    four, six = values.has(f"{name}4"), values.has(f"{name}6")
    v6 = (values.columns[f"{name}6"], six) if six.any() else None
    if v6 is not None and not four.any():
        return Ends(None, v6)
    return Ends((values.get(f"{name}4").astype(np.int64), four), v6)


def _events(values: Values, kinds: Kinds, translated: Mask) -> pa.Array[Any]:
    four = values.has("orig_src4")
    event = np.zeros(values.rows, np.int32)
    for mask, numbers in ((kinds.created, _CREATED), (kinds.destroyed, _DESTROYED)):
        event = np.where(mask, np.where(four, np.int32(numbers[4]), np.int32(numbers[6])), event)
    return arrow.ints(event, translated & (event > 0))


def _members(values: Values, kinds: Kinds) -> list[Member]:
    """Return what has no column: whether the row is of an open connection, mark, zones, ICMP id."""
    codes = np.where(kinds.created, 0, np.where(kinds.seen, 1, -1))
    members = [Member("conntrack", codes, arrow.strings(['"new"', '"open"']))]
    for name, column in (
        ("mark", "mark"),
        ("zone", "zone"),
        ("zone", "orig_zone"),
        ("reply_zone", "reply_zone"),
        ("icmp_id", "orig_icmp_id"),
        ("nat_icmp_id", "reply_icmp_id"),
    ):
        told = values.has(column)
        if column == "reply_icmp_id":
            told = told & (values.get(column) != values.get("orig_icmp_id"))
        if told.any():
            members.append(_member(name, values.get(column), told))
    return members


def _member(name: str, column: npt.NDArray[Any], told: Mask) -> Member:
    distinct, codes = np.unique(column, return_inverse=True)
    codes = np.where(told, codes, -1).astype(np.int64)
    return Member(name, codes, arrow.strings([str(value) for value in distinct.tolist()]))


def _int32(values: Numbers, valid: Mask | None) -> pa.Array[Any]:
    return arrow.ints(values.astype(np.int32), valid)
