"""Our rows and nfdump's of the same datagrams, made comparable by named rules and no others.

What nfdump 1.7 keeps of a record is worked out from our row and from the record's elements: each
rule below is one thing that nfdump is known to do, and applies only where its condition holds. What
is then left must be equal, field by field and in order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from collector.decode import listing
from collector.decode.decoder import FlowDecoder
from collector.decode.limits import Limits
from collector.records import Frame, FrameKind
from tests.collector.decode import rows

SITE = "school-a"
FORGETFUL = Limits(waiting_sets_per_exporter=0)
"""nfdump drops a set that comes before its template; ours waits for it (F-03)."""
_ICMP = (1, 58)
_FLAGS = "CEUAPRSF"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)
_SCALED = ("packets", "bytes", "packets_reverse", "bytes_reverse")

Row = dict[str, Any]
Elements = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Rule:
    """One difference that is nfdump's."""

    name: str
    holds: Callable[[Row, Elements], bool]
    apply: Callable[[Row, Elements], Row]
    """Makes of what should be told what nfdump tells."""


def decoded(
    datagrams: Sequence[bytes], now_ns: int, limits: Limits | None = None
) -> list[tuple[Row, Elements]]:
    """Return our rows of one exporter's datagrams, each with the elements of its record."""
    frames = [
        Frame(
            kind=FrameKind.FLOW,
            site=SITE,
            received_ns=now_ns,
            wire_ns=now_ns,
            address="192.0.2.1",
            port=40000,
            payload=payload,
            number=number,
        )
        for number, payload in enumerate(datagrams)
    ]
    told = rows.of(FlowDecoder(SITE, limits).decode(frames))
    listed = listing.records(FlowDecoder(SITE, limits).heaps(frames))
    return list(zip(told, _elements(listed), strict=True))


def _elements(listed: Sequence[listing.Record]) -> Iterator[Elements]:
    """Yield the elements of each data record, and what a reader in turn knows beside them."""
    boot_ms = None
    for record in listed:
        if record.is_option:
            boot_ms = record.elements.get("systemInitTimeMilliseconds", boot_ms)
            continue
        head = record.head
        beside = {"version": head.version, "boot_ms": boot_ms}
        beside |= {"sent_ms": head.sent_us // 1000, "uptime_ms": head.uptime_ms}
        yield {**record.elements, **beside}


def ours(row: Row) -> Row:
    """Return what is compared of a row: nothing told counts as 0, as nfdump has no null."""
    icmp = None
    if row.get("protocol", 1) in _ICMP:
        icmp = row.get("icmp_type_code")
    return {
        "src": row.get("src_ip"),
        "dst": row.get("dst_ip"),
        "src_port": 0 if row.get("protocol") in _ICMP else row.get("src_port", 0),
        "dst_port": row.get("dst_port", 0) if icmp is None else icmp,
        "protocol": row.get("protocol", 0),
        **{name: row.get(name, 0) for name in _SCALED},
        "flags": row.get("tcp_flags", 0),
        "first_ms": _ms(row.get("exporter_start") or row["time"]),
        "last_ms": _ms(row.get("exporter_end") or row["time_end"]),
    }


def theirs(record: Row) -> Row:
    """Return the same of a record as nfdump prints it."""
    icmp = None
    if "icmp_type" in record:
        icmp = record["icmp_type"] << 8 | record["icmp_code"]
    return {
        "src": record.get("src4_addr", record.get("src6_addr")),
        "dst": record.get("dst4_addr", record.get("dst6_addr")),
        "src_port": record.get("src_port", 0),
        "dst_port": record.get("dst_port", 0) if icmp is None else icmp,
        "protocol": record.get("proto", 0),
        "packets": record.get("in_packets", 0),
        "bytes": record.get("in_bytes", 0),
        "packets_reverse": record.get("out_packets", 0),
        "bytes_reverse": record.get("out_bytes", 0),
        "flags": _bits(record.get("tcp_flags", "")),
        "first_ms": _ms(_time(record["first"])),
        "last_ms": _ms(_time(record["last"])),
    }


def as_nfdump(row: Row, elements: Elements) -> tuple[Row, list[str]]:
    """Return a row as nfdump would tell it, and the rules that were needed for it."""
    told, used = ours(row), []
    for rule in RULES:
        if rule.holds(row, elements):
            changed = rule.apply({**told, "row": row}, elements)
            changed.pop("row")
            if changed != told:
                told = changed
                used.append(rule.name)
    return told, used


def _no_times(row: Row, elements: Elements) -> bool:
    return bool(row["clock"] == "none")


def _has(*names: str) -> Callable[[Row, Elements], bool]:
    return lambda _, elements: any(name in elements for name in names)


def _zero(*names: str) -> Callable[[Row, Elements], Row]:
    return lambda told, _: {**told, **dict.fromkeys(names, 0)}


def _icmp_in_port(row: Row, elements: Elements) -> bool:
    told = any(name.startswith("icmp") for name in elements)
    return elements["version"] != 5 and row.get("protocol") in _ICMP and not told


def _sampled(row: Row, elements: Elements) -> bool:
    return bool(row["sampling_origin"] == "header")


def _multiply(told: Row, elements: Elements) -> Row:
    rate = int(told["row"]["sampling_rate"])
    return {**told, **{name: told[name] * rate for name in _SCALED}}


def _after(told: Row, elements: Elements) -> Row:
    return {
        **told,
        "packets_reverse": elements["postPacketDeltaCount"],
        "bytes_reverse": elements["postOctetDeltaCount"],
    }


def _from_boot(told: Row, elements: Elements) -> Row:
    if elements["boot_ms"] is None:
        return {**told, "first_ms": 0, "last_ms": 0}
    swapped = elements["flowEndSysUpTime"], elements["flowStartSysUpTime"]
    first_ms, last_ms = (elements["boot_ms"] + uptime for uptime in swapped)
    return {**told, "first_ms": first_ms, "last_ms": last_ms}


def _ipfix_uptimes(row: Row, elements: Elements) -> bool:
    return elements["version"] == 10 and "flowStartSysUpTime" in elements


def _late_uptimes(row: Row, elements: Elements) -> bool:
    told = elements.get("flowStartSysUpTime", 0)
    return bool(elements["version"] == 9 and told > elements["uptime_ms"])


def _never_round(told: Row, elements: Elements) -> Row:
    boot_ms = elements["sent_ms"] - elements["uptime_ms"]
    first_ms, last_ms = (boot_ms + elements[f"flow{end}SysUpTime"] for end in ("Start", "End"))
    return {**told, "first_ms": first_ms, "last_ms": last_ms}


def _reverse_flags(told: Row, elements: Elements) -> Row:
    return {**told, "flags": told["flags"] | elements["reverseTcpControlBits"]}


RULES = (
    Rule(
        "nfdump has no times where the exporter told none", _no_times, _zero("first_ms", "last_ms")
    ),
    Rule(
        "nfdump does not know the times in 1/2^32 s of IPFIX",
        _has("flowStartNanoseconds", "flowStartMicroseconds"),
        _zero("first_ms", "last_ms"),
    ),
    Rule(
        "nfdump does not give an event an end",
        _has("observationTimeMilliseconds"),
        _zero("last_ms"),
    ),
    Rule(
        "nfdump 1.7.1 swaps the uptimes of IPFIX, needs the start of the exporter before them, and"
        " does not know that they come round",
        _ipfix_uptimes,
        _from_boot,
    ),
    Rule("nfdump does not know that uptimes of v9 come round", _late_uptimes, _never_round),
    Rule("nfdump multiplies by the sampling rate of a v5 header", _sampled, _multiply),
    Rule(
        "nfdump counts what left after treatment as the other direction",
        _has("postPacketDeltaCount"),
        _after,
    ),
    Rule("nfdump reads ICMP from elements of its own only", _icmp_in_port, _zero("dst_port")),
    Rule(
        "nfdump joins the flags of both directions", _has("reverseTcpControlBits"), _reverse_flags
    ),
    Rule(
        "nfdump does not know the counters of initiator and responder in IPFIX",
        lambda _, elements: (
            elements["version"] == 10
            and any(name.startswith(("initiator", "responder")) for name in elements)
        ),
        _zero(*_SCALED),
    ),
)


def _ms(moment: datetime) -> int:
    return (moment - _EPOCH) // _MS


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def _bits(flags: str) -> int:
    return sum(1 << (7 - at) for at, flag in enumerate(flags) if flag == _FLAGS[at])
