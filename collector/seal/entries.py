"""The entries of a ledger: what each type holds, and its one spelling.

An entry is one RFC 8785 JSON object. Members that are unknown, missing, of another type or out of
their range are refused when an entry is written as well as when it is read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import rfc8785

from collector.seal import note
from collector.seal.canonical import YEAR_2400_US
from collector.seal.fault import Refused
from collector.seal.tree import EMPTY

MAX_BYTES = 65_535
Entry = dict[str, Any]
Check = Callable[[Any], bool]

_SAFE = 1 << 53
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def encode(entry: Mapping[str, Any]) -> bytes:
    """Return the bytes of an entry, checked.

    Raises:
        Refused: E-11 or E-17.
    """
    check(entry)
    data = rfc8785.dumps(dict(entry))
    if len(data) > MAX_BYTES:
        raise Refused("E-11", f"an entry of {len(data)} bytes")
    return data


def parse(data: bytes, *, index: int, site: str) -> Entry:
    """Return the entry at a place in the ledger of a site.

    Raises:
        Refused: E-11 and others, saying which member is wrong.
    """
    try:
        entry = json.loads(data, parse_float=_no_float, object_pairs_hook=_once)
        if not isinstance(entry, dict):
            raise Refused("E-11", "the entry is not an object")
        check(entry)
        if rfc8785.dumps(entry) != data:
            raise Refused("E-11", "the entry is not in its canonical form")
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise Refused("E-11", f"not an entry: {error}") from error
    if entry["index"] != index or entry["site"] != site:
        raise Refused("E-11", f"the entry says {entry['site']} {entry['index']}")
    return entry


def _no_float(text: str) -> object:
    raise ValueError(f"the number {text}")


def _once(pairs: list[tuple[str, Any]]) -> Entry:
    entry = dict(pairs)
    if len(entry) != len(pairs):
        raise ValueError("a member twice")
    return entry


def check(entry: Mapping[str, Any]) -> None:
    """Refuse an entry that does not follow the format.

    Raises:
        Refused: E-11, or E-17 for counts that cannot be, E-23 for a year that cannot be.
    """
    kind = entry.get("type")
    members = TYPES.get(kind) if isinstance(kind, str) else None
    if members is None:
        raise Refused("E-11", f"an entry of unknown type {kind!r}")
    _members(f"{kind} entry", entry, {**_COMMON, **members})
    rule = _RULES.get(str(kind))
    if rule is not None:
        rule(entry)


def _members(what: str, record: Mapping[str, Any], members: Mapping[str, Check]) -> None:
    if record.keys() != members.keys():
        odd = ", ".join(sorted(map(str, record.keys() ^ members.keys())))
        raise Refused("E-11", f"{what}: members missing or unknown: {odd}")
    for name, holds in members.items():
        if not holds(record[name]):
            raise Refused("E-11", f"{what}: {name} cannot be {str(record[name])[:80]!r}")


def _integer(value: object) -> bool:
    return type(value) is int and -_SAFE < value < _SAFE


def _natural(value: object) -> bool:
    return type(value) is int and 0 <= value < _SAFE


def _positive(value: object) -> bool:
    return type(value) is int and 0 < value < _SAFE


def _text(pattern: str) -> Check:
    compiled = re.compile(pattern)
    return lambda value: isinstance(value, str) and compiled.fullmatch(value) is not None


def _or_null(holds: Check) -> Check:
    return lambda value: value is None or holds(value)


def _one_of(*values: object) -> Check:
    return lambda value: type(value) is not float and value in values


def _list(*items: Check) -> Check:
    """A list whose members are lists of exactly these."""
    return lambda value: isinstance(value, list) and all(_row(row, items) for row in value)


def _row(row: object, items: tuple[Check, ...]) -> bool:
    return (
        isinstance(row, list)
        and len(row) == len(items)
        and all(holds(value) for holds, value in zip(items, row, strict=True))
    )


def _flat(holds: Check) -> Check:
    return lambda value: isinstance(value, list) and all(map(holds, value))


def _by_log(holds: Check) -> Check:
    """A list of lists that ascend by log, each log once."""
    return lambda value: holds(value) and all(a[0] < b[0] for a, b in pairwise(value))


def _names(value: object) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(map(_log, value))
        and all(a < b for a, b in pairwise(value))
    )


def _object(**members: Check) -> Check:
    def holds(value: object) -> bool:
        return (
            isinstance(value, dict)
            and value.keys() == members.keys()
            and all(check_(value[name]) for name, check_ in members.items())
        )

    return holds


def _vkey(value: object) -> bool:
    try:
        return isinstance(value, str) and bool(note.parse_vkey(value))
    except Refused:
        return False


def _approvals(value: object) -> bool:
    """None, or two different people."""
    return _flat(_id)(value) and (
        value == [] or (isinstance(value, list) and len(value) == len(set(value)) == 2)
    )


def _two(value: object) -> bool:
    """Two different people."""
    return _approvals(value) and bool(value)


_id = _text(r"[A-Za-z0-9._-]{1,64}")
_word = _text(r"[a-z0-9][a-z0-9._/+-]{0,63}")
_hash = _text(r"[0-9a-f]{64}")
_log = _text(r"[a-z][a-z0-9_]{0,31}")
_SITE = r"(?!schema(?:/|$))[a-z0-9](?:(?:[a-z0-9-]|\.(?!\.))*[a-z0-9])?"
_site = _text(_SITE)
_boot = _text(r"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}")
_big = _text(r"0|-?[1-9][0-9]{0,18}")
_origin = _text(_SITE + r"/ledger/[0-9]{4}(?:-(?:[2-9]|[1-9][0-9]+))?")
_string = _text(r"(?s).+")
_starts = _by_log(_list(_log, _positive, _natural, _natural, _natural))
_sealed = _by_log(_list(_log, _natural, _natural, _natural))
_bundle = _object(sha256=_hash, size=_natural)

_COMMON: Mapping[str, Check] = {
    "v": lambda value: type(value) is int and value == 1,
    "type": _word,
    "site": _site,
    "index": _natural,
    "time": _natural,
    "boot": _boot,
}

TYPES: Mapping[str, Mapping[str, Check]] = {
    "genesis": {
        "log_vkey": _vkey,
        "epoch_vkey": _vkey,
        "mldsa_vkey": _or_null(_vkey),
        "interval_s": _positive,
        "logs": _starts,
        "software": _word,
        "previous": _or_null(_string),
        "approvals": _approvals,
    },
    "segment": {
        "log": _log,
        "seq": _natural,
        "start": _natural,
        "end": _natural,
        "event_min": _or_null(_big),
        "event_max": _or_null(_big),
        "received_max": _or_null(_big),
        "rows": _natural,
        "groups": _natural,
        "root": _hash,
        "schema": _hash,
        "key_commit": _hash,
        "tag_alg": _one_of("hmac"),
        "spool": lambda value: _row(value, (_natural, _natural)),
        "file": _object(name=_string, size=_natural, sha256=_hash),
        "clock": _object(offset_us=_integer, source=_word, stratum=_or_null(_natural)),
        "software": _word,
    },
    "empty": {
        "start": _natural,
        "end": _natural,
        "logs": lambda value: bool(value) and _sealed(value),
    },
    "gap": {
        "start": _natural,
        "end": _natural,
        "logs": _names,
        "cause": _one_of("stopped", "power", "disk-full", "unknown"),
    },
    "epoch": {
        "epoch": _positive,
        "vkey": _vkey,
        "broken": lambda value: type(value) is bool,
        "approvals": _approvals,
    },
    "clock": {
        "offset_us": _integer,
        "source": _word,
        "stratum": _or_null(_natural),
        "step_us": _integer,
    },
    "hold": {
        "hold": _id,
        "scope": _or_null(_list(_log, _natural, _natural)),
        "bundle": _or_null(_object(sha256=_hash, size=_natural, segments=_natural)),
        "until": _or_null(_natural),
        "ref_commit": _hash,
    },
    "release": {"hold": _id, "ref_commit": _hash},
    "destroyed": {
        "segments": _list(_log, _natural, _hash),
        "policy": _word,
        "due": _natural,
        "holds_checked": _natural,
        "actor": _id,
        "second": _id,
        "method": _word,
        "backups_gone_by": _natural,
    },
    "lost": {
        "segments": _list(_log, _natural, _hash),
        "cause": _word,
        "reason_commit": _hash,
        "approvals": _two,
    },
    "export": {
        "bundle": _bundle,
        "request_commit": _hash,
        "rows": _list(_log, _natural, _natural, _one_of("C0", "C1", "C2", "C3")),
        "approver": _id,
        "exporter": _id,
        "recipient": _word,
    },
    "access": {
        "start": _natural,
        "end": _natural,
        "searches": _natural,
        "views": _natural,
        "exports": _natural,
        "signins": _natural,
        "audit_seq": _or_null(_natural),
    },
    "config": {"before": _hash, "after": _hash, "actor": _id, "logs": _or_null(_starts)},
    "anchor": {
        "origin": _origin,
        "size": _natural,
        "text_sha256": _hash,
        "proofs": _flat(_hash),
        "renewal": _or_null(_text(r"[0-9a-f]{128}")),
    },
    "close": {"next": _origin},
}
"""Every type and what its own members may be."""


def segment_path(site: str, log: str, seq: int, start_us: int) -> str:
    """Return where a segment lies, from `logs/` on."""
    return f"{site}/{log}/{day(start_us):%Y/%m/%d}/{seq}.parquet"


def day(time_us: int) -> datetime:
    """Return the UTC time, for its date."""
    return _EPOCH + timedelta(microseconds=time_us)


def year_end_us(time_us: int) -> int:
    """Return the first microsecond of the UTC year behind this one."""
    following = datetime(day(time_us).year + 1, 1, 1, tzinfo=UTC)
    return (following - _EPOCH) // timedelta(microseconds=1)


def _check_segment(entry: Mapping[str, Any]) -> None:
    _check_interval(entry)
    _check_spool(*entry["spool"])
    if entry["file"]["name"] != segment_path(
        entry["site"], entry["log"], entry["seq"], entry["start"]
    ):
        raise Refused("E-11", f"the file name {entry['file']['name']!r} is not the segment's")
    rows, groups = entry["rows"], entry["groups"]
    extremes = [entry[name] for name in ("event_min", "event_max", "received_max")]
    if rows == 0:
        if entry["root"] != EMPTY.hex() or groups or extremes != [None] * 3:
            raise Refused("E-17", "a segment of no rows has groups, times or another root than H()")
    elif not 0 < groups <= rows or None in extremes:
        raise Refused("E-17", f"a segment of {rows} rows with {groups} groups or without times")
    times = [int(value) for value in extremes if value is not None]
    if any(abs(value) >= 1 << 63 for value in times):
        raise Refused("E-11", "a time that no row has")
    if times and times[0] > times[1]:
        raise Refused("E-17", "event_min lies behind event_max")
    if any(value >= YEAR_2400_US for value in times):
        raise Refused("E-23", "a time behind the year 2400")


def _check_spool(low: int, high: int) -> None:
    if low > high:
        raise Refused("E-01", "the spool goes back")


def _check_empty(entry: Mapping[str, Any]) -> None:
    _check_interval(entry)
    for _, _, low, high in entry["logs"]:
        _check_spool(low, high)


def _check_interval(entry: Mapping[str, Any]) -> None:
    if entry["end"] < entry["start"]:
        raise Refused("E-01", "an interval that ends before it starts")
    if entry["start"] >= YEAR_2400_US:
        raise Refused("E-23", "an interval behind the year 2400")


def _check_epoch(entry: Mapping[str, Any]) -> None:
    if bool(entry["approvals"]) != entry["broken"]:
        raise Refused("E-03", "a broken epoch needs two approvals, a whole one none")


def _check_hold(entry: Mapping[str, Any]) -> None:
    if (entry["scope"] is None) == (entry["bundle"] is None):
        raise Refused("E-11", "a hold has a scope or a bundle, one of them")


def _check_destroyed(entry: Mapping[str, Any]) -> None:
    if entry["actor"] == entry["second"] or entry["holds_checked"] > entry["index"]:
        raise Refused("E-02", "destruction by one person alone, or after holds yet to come")


_RULES: Mapping[str, Callable[[Mapping[str, Any]], None]] = {
    "segment": _check_segment,
    "empty": _check_empty,
    "gap": _check_interval,
    "access": _check_interval,
    "epoch": _check_epoch,
    "hold": _check_hold,
    "destroyed": _check_destroyed,
}
