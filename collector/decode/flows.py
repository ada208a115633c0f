"""Decoded records to the columns of the `flows` log (`collector/store/schema.py`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from collector.decode import extra, plan, sampling, times, words
from collector.decode.batch import Batch, Mask
from collector.decode.head import Spread
from collector.decode.plan import Address, Number, Plan

Columns = dict[str, "pa.Array[Any]"]
Numbers = npt.NDArray[np.int64]
Told = tuple[Numbers, Mask | None]
"""Values and where they are told; None: in every row."""

_TIME = pa.timestamp("us", tz="UTC")
_ICMP = (1, 58)
_V6 = 6


def columns(batch: Batch, spread: Spread) -> Columns:
    """Return the columns of one batch; those that no field gives are left out.

    Args:
        batch: The records.
        spread: Their datagrams' headers, per row.
    """
    return _Mapper(batch, spread).columns()


class _Mapper:
    """One batch on its way to columns."""

    def __init__(self, batch: Batch, spread: Spread) -> None:
        self.batch = batch
        self.spread = spread
        if batch.layout.plan is None:
            batch.layout.plan = plan.make(batch.layout)
        self.plan: Plan = batch.layout.plan
        self.found: Columns = {}
        self.members = [extra.member(batch, field) for field in self.plan.extra]
        self.numbers: dict[str, Told] = {}

    def columns(self) -> Columns:
        self._header()
        self._times()
        for number in self.plan.numbers:
            self.numbers[number.column] = self._number(number)
        self._icmp()
        self._nat({a.column: self._address(a) for a in self.plan.addresses})
        for column, field in self.plan.macs:
            self.found[column] = words.mac(*self.batch.sized(field, 6))
        for column, field in self.plan.texts:
            self.found[column] = words.text(self.batch.binary(field), None)
        self._application()
        self._sampling()
        for number in self.plan.numbers:
            self.found[number.column] = _array(
                *self.numbers[number.column], plan.ARROW[number.kind]
            )
        objects = extra.objects(self.members, self.batch.rows)
        if objects is not None:
            self.found["extra"] = objects
        return self.found

    def _header(self) -> None:
        spread, found = self.spread, self.found
        found["received"] = _moments(spread.received)
        found["exporter_sent"] = _moments(spread.sent)
        found["observation_domain"] = pa.array(spread.domain)
        sources: dict[str, int] = {}
        codes = [sources.setdefault(c.head.source, len(sources)) for c in spread.chunks]
        found["source"] = words.some(spread.codes(codes), list(sources))

    def _times(self) -> None:
        told = times.read(self.batch, self.spread)
        found = self.found
        found["time"], found["time_end"] = _moments(told.start), _moments(told.end)
        found["exporter_start"] = _moments(told.exporter_start, told.told)
        found["exporter_end"] = _moments(told.exporter_end, told.told)
        found["clock"] = words.some(told.verdict, times.VERDICTS)

    def _number(self, number: Number) -> Told:
        """Read a field; what is too large for the column goes into `extra`."""
        values, valid = self.batch.uint(number.field)
        if number.checked:
            over = values > np.uint64(plan.MOST[number.kind])
            if over.any():
                self.members.append(extra.member(self.batch, number.field, over))
                valid = ~over if valid is None else valid & ~over
                values = np.where(over, np.zeros_like(values), values)
        return values.astype(np.int64), valid

    def _icmp(self) -> None:
        """Type and code: told so, else where NetFlow v5 puts it, into the destination port."""
        if self.plan.icmp is not None:
            kind, code = self.plan.icmp
            values, valid = self.batch.uint(kind)
            icmp = values.astype(np.int64)
            if code is not None:
                icmp = icmp << 8 | self.batch.uint(code)[0].astype(np.int64)
            self.found["icmp_type_code"] = _array(icmp & 0xFFFF, valid, pa.int32())
        elif "protocol" in self.numbers and "dst_port" in self.numbers:
            port, told = self.numbers["dst_port"]
            is_icmp = np.isin(self.numbers["protocol"][0], _ICMP)
            if is_icmp.any():
                valid = is_icmp if told is None else is_icmp & told
                self.found["icmp_type_code"] = _array(port, valid, pa.int32())

    def _address(self, address: Address) -> _Ends:
        """Read an address column; return what NAT needs of it."""
        v4: Told | None = None
        if address.v4 is not None:
            values, valid = self.batch.uint(address.v4)
            v4 = values.astype(np.int64), valid
        v6 = None if address.v6 is None else self.batch.sized(address.v6, 16)
        if v4 is not None and v6 is not None:
            is_six = self._is_six(v4, v6[0])
            v4 = v4[0], ~is_six if v4[1] is None else ~is_six & v4[1]
            v6 = v6[0], is_six if v6[1] is None else is_six & v6[1]
        return _Ends(v4, v6)

    def _is_six(self, v4: Told, octets: npt.NDArray[np.uint8]) -> Mask:
        """Tell per row of a template with both families which one holds."""
        if self.plan.ip_version is not None:
            told: Mask = self.batch.uint(self.plan.ip_version)[0] == _V6
            return told
        return (v4[0] == 0) & octets.any(axis=1)

    def _nat(self, ends: dict[str, _Ends]) -> None:
        """Fill the address columns, and the key of the translated end."""
        for side in ("src", "dst"):
            self._drop_untranslated(ends, side)
        for column, end in ends.items():
            self.found[column] = end.text()
        key = np.zeros(self.batch.rows, np.int64)
        has = np.zeros(self.batch.rows, np.bool_)
        for side in ("src", "dst"):
            nat = ends.get(f"nat_{side}_ip")
            if nat is None or nat.v4 is None:
                continue
            own_key, told = self._key(nat.v4, f"nat_{side}_port")
            differs = self._differs(ends.get(f"{side}_ip"), nat.v4, side) & told & ~has
            key, has = np.where(differs, own_key, key), has | differs
        if has.any():
            self.found["nat_key"] = _array(key, has, pa.int64())

    def _drop_untranslated(self, ends: dict[str, _Ends], side: str) -> None:
        """An all-zero translated address says that there is none."""
        end = ends.get(f"nat_{side}_ip")
        if end is None:
            return
        if end.v4 is not None:
            told = end.v4[0] != 0
            end.v4 = end.v4[0], told if end.v4[1] is None else told & end.v4[1]
        if end.v6 is not None:
            told = end.v6[0].any(axis=1)
            end.v6 = end.v6[0], told if end.v6[1] is None else told & end.v6[1]
        port = self.numbers.get(f"nat_{side}_port")
        if port is not None:
            gone = ~end.told() & (port[0] == 0)
            self.numbers[f"nat_{side}_port"] = (
                port[0],
                ~gone if port[1] is None else ~gone & port[1],
            )

    def _key(self, v4: Told, port_column: str) -> tuple[Numbers, Mask]:
        """Return address << 16 | port, port 0 where it is not told, and where it holds."""
        port, valid = self.numbers.get(port_column, (np.zeros(self.batch.rows, np.int64), None))
        if valid is not None:
            port = np.where(valid, port, 0)
        told = v4[1] if v4[1] is not None else np.ones(self.batch.rows, np.bool_)
        return v4[0] << 16 | port, told

    def _differs(self, end: _Ends | None, nat: Told, side: str) -> Mask:
        """Tell where address or port of an end were translated."""
        if end is None or end.v4 is None:
            return np.ones(self.batch.rows, np.bool_)
        same = end.v4[0] == nat[0]
        if end.v4[1] is not None:
            same &= end.v4[1]
        before, after = self.numbers.get(f"{side}_port"), self.numbers.get(f"nat_{side}_port")
        if before is not None and after is not None:
            same &= before[0] == after[0]
        return ~same

    def _application(self) -> None:
        """Name applications by what the exporter's options told, else `engine:selector`."""
        field = self.plan.application
        if field is None:
            return
        encoded = self.batch.binary(field).dictionary_encode()
        ids = encoded.dictionary.to_pylist()
        tables: dict[int, int] = {}
        codes = [tables.setdefault(id(c.names), len(tables)) for c in self.spread.chunks]
        by_id = {id(c.names): c.names for c in self.spread.chunks}
        known = [name for table in tables for name in _named(ids, by_id[table])]
        at = self.spread.codes(codes).astype(np.int64) * len(ids) + encoded.indices.to_numpy()
        self.found["app"] = words.some(at.astype(np.int32), known)

    def _sampling(self) -> None:
        rate, origin = self._stream_rates()
        if self.plan.rate:
            values = {e: self.batch.uint(f)[0].astype(np.int64) for e, f in self.plan.rate}
            told = sampling.intervals(values)
            rate = np.where(told > 0, told, rate)
            record = sampling.ORIGINS.index("record")
            origin = np.where(told > 0, np.int32(record), origin)
        self.found["sampling_origin"] = words.some(origin, list(sampling.ORIGINS))
        if (rate > 0).any():
            self.found["sampling_rate"] = _array(rate, rate > 0, pa.int64())

    def _stream_rates(self) -> tuple[Numbers, npt.NDArray[np.int32]]:
        """Return rate and origin by what headers and options told of each record's sampler."""
        spread, batch = self.spread, self.batch
        tables: dict[sampling.Rates, int] = {}
        table = spread.codes([tables.setdefault(c.head.rates, len(tables)) for c in spread.chunks])
        sampler = np.full(batch.rows, -1, np.int64)
        if self.plan.sampler is not None and any(t.samplers for t in tables):
            sampler = batch.uint(self.plan.sampler)[0].astype(np.int64)
        rate = np.zeros(batch.rows, np.int64)
        origin = np.full(batch.rows, sampling.ORIGINS.index("none"), np.int32)
        for rates, code in tables.items():
            if not rates.known:
                continue
            for one in np.unique(sampler[table == code]).tolist():
                value, how = rates.of(one)
                rows = (table == code) & (sampler == one)
                rate[rows], origin[rows] = value, sampling.ORIGINS.index(how)
        return rate, origin


class _Ends:
    """An address column before it is text: IPv4 as integers, IPv6 as bytes, and where each holds."""

    def __init__(
        self, v4: Told | None, v6: tuple[npt.NDArray[np.uint8], Mask | None] | None
    ) -> None:
        self.v4 = v4
        self.v6 = v6

    def told(self) -> Mask:
        """Where there is an address."""
        masks = [
            np.ones(len(part[0]), np.bool_) if part[1] is None else part[1]
            for part in (self.v4, self.v6)
            if part is not None
        ]
        return np.logical_or.reduce(masks)

    def text(self) -> pa.Array[Any]:
        """Return the column."""
        four = None if self.v4 is None else words.ipv4(self.v4[0], self.v4[1])
        six = None if self.v6 is None else words.ipv6(*self.v6)
        if four is None or six is None:
            return four if six is None else six
        if self.v6 is not None and self.v6[1] is not None and not self.v6[1].any():
            return four
        both = pa.chunked_array([four, six]).unify_dictionaries()
        four, six = both.chunks
        indices = pc.coalesce(four.indices, six.indices)
        return pa.DictionaryArray.from_arrays(indices, four.dictionary)


def _named(ids: list[bytes], names: Mapping[bytes, str]) -> list[str]:
    return [names.get(number) or application(number) for number in ids]


def application(number: bytes) -> str:
    """Return an application id as text (RFC 6759 section 4.1): engine and selector."""
    return f"{number[0]}:{int.from_bytes(number[1:], 'big')}" if number else ""


def _moments(values: Numbers, valid: Mask | None = None) -> pa.Array[Any]:
    return _array(values, valid, pa.int64()).view(_TIME)


def _array(values: Numbers, valid: Mask | None, kind: pa.DataType) -> pa.Array[Any]:
    narrow = values.astype(np.int32) if kind == pa.int32() else values
    if valid is None or valid.all():
        return pa.array(narrow)
    return pa.array(narrow, mask=~valid)
