"""Texts of readings to typed columns: what is no address, port or number tells nothing.

Every distinct text of a batch is looked at once. The line as sent keeps what was refused.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from collector.decode import arrow, protocols, words
from collector.decode.addresses import Ends, Numbers, Told
from collector.decode.batch import Mask
from collector.decode.syslog.reading import NOTHING, Reading

ADDRESSES = ("src_ip", "dst_ip", "nat_src_ip", "nat_dst_ip")
PORTS = ("src_port", "dst_port", "nat_src_port", "nat_dst_port")
COUNTERS = ("bytes", "packets", "bytes_reverse", "packets_reverse")
EVENT_NUMBERS: Mapping[str, pa.DataType] = {
    **dict.fromkeys(("protocol", *PORTS), pa.int32()),
    **dict.fromkeys((*COUNTERS, "duration_ms"), pa.int64()),
}
"""The columns of numbers and their Arrow types."""
TEXTS = ("event_type", "action", "account")
LONGEST = 1024
"""Characters of a text column; what is longer is cut there, and whole in the line."""

_MOST = (1 << 63) - 1
_DIGITS = 18
"""Any number of so many digits fits 63 bits; no counter has more."""
_HMS = re.compile(r"(\d{1,6}):([0-5]?\d):([0-5]?\d)\Z", re.ASCII)
_SECONDS = re.compile(r"(\d{1,12})(?:\.(\d{1,9}))?s?\Z", re.ASCII)
_NO_HEX = re.compile(r"[:.-]")
_OCTETS = {str(octet): octet for octet in range(256)}
"""Of an IPv4 address: reading them so takes a tenth of the time that `ipaddress` does."""
_LONGEST_MAC, _LONGEST_ADDRESS = 17, 80
"""Characters, with brackets and zone; only texts so short are remembered."""
encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class Typed(NamedTuple):
    """The columns of readings, one row each."""

    texts: dict[str, pa.Array[Any]]
    """Of `TEXTS` and `mac`; those that no row tells are left out, here as below."""
    numbers: dict[str, Told]
    """Of `PORTS`, `COUNTERS`, `protocol` and `duration_ms`."""
    ends: dict[str, Ends]
    """Of `ADDRESSES`."""


def gathered(readings: Sequence[Reading | None]) -> dict[str, pa.Array[Any]]:
    """Return what readings tell as columns of texts, null where one is silent."""
    told: list[dict[str, str]] = [{} if r is None else r.columns for r in readings]
    names = dict.fromkeys(name for one in told for name in one)
    return {name: pa.array([one.get(name) for one in told], pa.string()) for name in names}


def typed(told: Mapping[str, pa.Array[Any]]) -> Typed:
    """Return the columns of texts told by names of `COLUMNS`, all of one length."""
    texts = {name: _texts(told, name, _short) for name in TEXTS}
    texts["mac"] = _texts(told, "mac", mac)
    numbers = {name: _counts(told, name, 0xFFFF) for name in PORTS}
    numbers |= {name: _counts(told, name, _MOST) for name in COUNTERS}
    numbers["protocol"] = _numbers(told, "protocol", protocol)
    numbers["duration_ms"] = _numbers(told, "duration", milliseconds)
    ends = {name: _ends(told, name) for name in ADDRESSES}
    for side in ("src", "dst"):
        nat, port = ends[f"nat_{side}_ip"], numbers[f"nat_{side}_port"]
        if nat is not None:  # all zeros is how devices write that nothing was translated
            nat = nat.without_zeros()
            ends[f"nat_{side}_ip"] = nat if nat.told().any() else None
        if port is not None:
            numbers[f"nat_{side}_port"] = None if nat is None else _where(port, nat.told())
    return Typed(
        {name: column for name, column in texts.items() if column is not None},
        {name: column for name, column in numbers.items() if column is not None},
        {name: column for name, column in ends.items() if column is not None},
    )


def fields(readings: Iterable[Reading | None]) -> pa.Array[Any] | None:
    """Return what has no column as JSON objects."""
    objects = [encode(r.rest) if r is not None and r.rest else None for r in readings]
    if objects.count(None) == len(objects):
        return None
    encoded: pa.Array[Any] = pa.array(objects, pa.string()).dictionary_encode()
    return encoded.cast(arrow.TEXT)


def array(told: Told, kind: pa.DataType) -> pa.Array[Any]:
    """Return numbers as a column."""
    values, valid = told
    return arrow.ints(values.astype(np.int32) if kind == pa.int32() else values, valid)


def protocol(text: str) -> int | None:
    """Return the number of a protocol that is given as number or name."""
    if len(text) <= 3 and text.isascii() and text.isdigit():
        return int(text) if int(text) <= 0xFF else None
    return protocols.NUMBERS.get(text.lower())


def milliseconds(text: str) -> int | None:
    """Return a duration in ms; the text is in seconds or `h:mm:ss`."""
    if (found := _SECONDS.match(text)) is not None:
        return int(found[1]) * 1000 + int((found[2] or "")[:3].ljust(3, "0"))
    if (found := _HMS.match(text)) is not None:
        return (int(found[1]) * 3600 + int(found[2]) * 60 + int(found[3])) * 1000
    return None


def mac(text: str) -> str | None:
    """Return a MAC address in lower case with colons; group addresses of the wire are one too."""
    return _mac(text) if len(text) <= _LONGEST_MAC else None


@lru_cache(maxsize=1 << 16)
def _mac(text: str) -> str | None:
    digits = _NO_HEX.sub("", text).lower()
    if len(digits) != 12 or digits.strip("0123456789abcdef"):
        return None
    return ":".join(digits[i : i + 2] for i in range(0, 12, 2))


def address(text: str) -> int | bytes | None:
    """Return an IPv4 address as a number, an IPv6 address as 16 bytes; zones are cut off."""
    return _address(text) if len(text) <= _LONGEST_ADDRESS else None


@lru_cache(maxsize=1 << 16)
def _address(text: str) -> int | bytes | None:
    try:
        if ":" in text:
            return ipaddress.IPv6Address(text.partition("%")[0].strip("[]")).packed
        first, second, third, fourth = map(_OCTETS.__getitem__, text.split("."))
    except (ValueError, KeyError):
        return None
    return first << 24 | second << 16 | third << 8 | fourth


def canonical(text: str) -> str | None:
    """Return an address in its one canonical text."""
    value = address(text)
    if isinstance(value, int):
        return str(ipaddress.IPv4Address(value))
    return None if value is None else words.ipv6_text(value)


def _short(text: str) -> str:
    return text[:LONGEST]


def _coded(
    told: Mapping[str, pa.Array[Any]], name: str, read: Callable[[str], Any]
) -> tuple[npt.NDArray[np.int32], list[Any]] | None:
    """Return codes and the distinct values of a column, -1 for none; None when all are."""
    texts: Any = told.get(name)
    if texts is None or texts.null_count == len(texts):
        return None
    encoded = texts.dictionary_encode()
    values: dict[Any, int] = {}
    codes = []
    for text in encoded.dictionary.to_pylist():
        value = None if text in NOTHING else read(text)
        codes.append(-1 if value is None else values.setdefault(value, len(values)))
    at = encoded.indices.fill_null(len(codes)).to_numpy()
    return (np.array([*codes, -1], np.int32)[at], list(values)) if values else None


def _counts(told: Mapping[str, pa.Array[Any]], name: str, most: int) -> Told | None:
    """Return numbers without sign, up to `most`."""
    texts: Any = told.get(name)
    if texts is None or texts.null_count == len(texts):
        return None
    short: Any = pc.less_equal(pc.binary_length(texts), pa.scalar(_DIGITS, pa.int32()))
    digits: Any = pc.and_(pc.ascii_is_decimal(texts), short)
    numbers = pc.if_else(digits.fill_null(False), texts, pa.scalar(None, pa.string())).cast(
        pa.int64()
    )
    valid = numbers.is_valid().to_numpy(zero_copy_only=False)
    values = numbers.fill_null(0).to_numpy()
    valid &= values <= most
    if not valid.any():
        return None
    return values, None if valid.all() else valid


def _texts(
    told: Mapping[str, pa.Array[Any]], name: str, read: Callable[[str], str | None]
) -> pa.Array[Any] | None:
    found = _coded(told, name, read)
    if found is None:
        return None
    codes, values = found
    # Under nulls stands 0: Arrow reads the codes there too.
    return arrow.coded(arrow.ints(codes.clip(0), codes >= 0), arrow.strings(values))


def _numbers(
    told: Mapping[str, pa.Array[Any]], name: str, read: Callable[[str], int | None]
) -> Told | None:
    found = _coded(told, name, read)
    if found is None:
        return None
    codes, values = found
    return np.array(values, np.int64)[codes.clip(0)], _mask(codes)


def _ends(told: Mapping[str, pa.Array[Any]], name: str) -> Ends | None:
    found = _coded(told, name, address)
    if found is None:
        return None
    codes, values = found
    at = codes.clip(0)
    six = np.array([isinstance(value, bytes) for value in values])
    v4: Numbers = np.array([v if isinstance(v, int) else 0 for v in values], np.int64)
    if not six.any():
        return Ends((v4[at], _mask(codes)), None)
    octets = b"".join(v if isinstance(v, bytes) else bytes(16) for v in values)
    v6 = np.frombuffer(octets, np.uint8).reshape(-1, 16)
    is_six: Mask = six[at] & (codes >= 0)
    if six.all():
        return Ends(None, (v6[at], is_six))
    return Ends((v4[at], ~six[at] & (codes >= 0)), (v6[at], is_six))


def _where(told: Told, where: Mask) -> Told:
    values, valid = told
    return values, where if valid is None else where & valid


def _mask(codes: npt.NDArray[np.int32]) -> Mask | None:
    valid: Mask = codes >= 0
    return None if valid.all() else valid
