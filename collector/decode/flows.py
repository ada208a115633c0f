"""Decoded records to the columns of the `flows` log (`collector/store/schema.py`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from collector.decode import addresses, arrow, blocks, extra, plan, sampling, times, words
from collector.decode.addresses import Numbers, Told
from collector.decode.batch import Batch, Mask
from collector.decode.head import Spread
from collector.decode.plan import Number, Plan

Columns = dict[str, "pa.Array[Any]"]
_ICMP = (1, 58)
_ENGINE_OF_PEN = 20
_PEN_BYTES = 4
_LEAST_PACKET, _MOST_PACKET = 20, 65535
"""Bytes of an IPv4 header alone, and of the longest packet."""
_S = 1_000_000
_LINE_US = 100_000
"""Bytes in a µs at 800 Gbit/s, of the fastest Ethernet (IEEE 802.3df)."""
_DOUBTS = arrow.strings(['"size"', '"rate"'])


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
        for field, member in zip(self.plan.extra, list(self.members), strict=True):
            self._keep_raw(field, member.texts)
        self.numbers: dict[str, Told] = {}

    def columns(self) -> Columns:
        self._header()
        self._times()
        for number in self.plan.numbers:
            self.numbers[number.column] = self._number(number)
        if (event := blocks.implied(self.batch.layout)) is not None:
            self.found["nat_event"] = arrow.ints(np.full(self.batch.rows, event, np.int32))
        self._icmp()
        self._addresses()
        for column, field in self.plan.macs:
            self.found[column] = words.mac(*self.batch.sized(field, 6))
        for column, field in self.plan.texts:
            text: Any = words.text(self.batch.binary(field))
            self.found[column] = text
            self._keep_raw(field, text.dictionary)
        self._application()
        self._sampling()
        if self.plan.counters:
            self._doubt()
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
        found["received"] = arrow.moments(spread.received)
        found["exporter_sent"] = arrow.moments(spread.sent, spread.sent >= 0)
        found["observation_domain"] = arrow.ints(spread.domain)
        sources: dict[str, int] = {}
        codes = [sources.setdefault(c.head.source, len(sources)) for c in spread.chunks]
        found["source"] = words.some(spread.codes(codes), list(sources))

    def _times(self) -> None:
        told = times.read(self.batch, self.spread)
        found = self.found
        found["time"], found["time_end"] = arrow.moments(told.start), arrow.moments(told.end)
        for column, said, taken in (
            ("exporter_start", told.exporter_start, told.start),
            ("exporter_end", told.exporter_end, told.end),
        ):
            other = told.told & (said != taken)
            if other.any():
                found[column] = arrow.moments(said, other)
        found["clock"] = words.some(told.verdict, times.VERDICTS)
        self.lasted = told.end - told.start

    def _keep_raw(self, field: int, texts: pa.Array[Any]) -> None:
        if (octets := extra.raw(self.batch, field, texts)) is not None:
            self.members.append(octets)

    def _doubt(self) -> None:
        """Mark counters that cannot be: `size` of a packet, or `rate` of all of them.

        Some exporters' counters are wrong for IPv6, or for one version of their software.
        """
        (packets, has), (octets, have) = self.numbers["packets"], self.numbers["bytes"]
        both = packets.astype(np.float64)
        size = (octets < both * _LEAST_PACKET) | (octets > both * _MOST_PACKET)
        rate = np.zeros(0, np.bool_)
        if octets.max(initial=0) > _LINE_US * _S:
            rate = octets > np.maximum(self.lasted, _S) * _LINE_US
        if not size.any() and not rate.any():
            return
        codes = np.where(size, 0, -1)
        if len(rate):
            codes = np.where(rate, 1, codes)
        for told in (has, have):
            codes = codes if told is None else np.where(told, codes, -1)
        self.members.append(extra.Member("doubt", codes, _DOUBTS))

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

    def _addresses(self) -> None:
        """Fill the address columns and, only where an end was translated, those of NAT."""
        ends = {a.column: addresses.read(self.batch, self.plan, a) for a in self.plan.addresses}
        for side in ("src", "dst"):
            nat = ends.get(f"nat_{side}_ip")
            if nat is not None:
                ends[f"nat_{side}_ip"] = nat = nat.without_zeros()
                self._drop_port(f"nat_{side}_port", ~nat.told())
        key, has = addresses.nat_key(ends, self.numbers, self.batch.rows)
        for side in ("src", "dst"):
            same = addresses.unchanged(ends, self.numbers, side, self.batch.rows)
            if same.any():
                ends[f"nat_{side}_ip"] = ends[f"nat_{side}_ip"].only(~same)
                self._keep_port(f"nat_{side}_port", ~same)
        for column, end in ends.items():
            self.found[column] = end.text()
        if has.any():
            self.found["nat_key"] = arrow.ints(key, has)

    def _drop_port(self, column: str, untranslated: Mask) -> None:
        """A port 0 beside no translated address says nothing."""
        if column in self.numbers:
            self._keep_port(column, ~(untranslated & (self.numbers[column][0] == 0)))

    def _keep_port(self, column: str, kept: Mask) -> None:
        if column in self.numbers:
            port, told = self.numbers[column]
            self.numbers[column] = port, kept if told is None else kept & told

    def _application(self) -> None:
        """Name applications by what the exporter's options told, else `engine:selector`."""
        field = self.plan.application
        if field is None:
            return
        ids_at, distinct = arrow.encode(self.batch.binary(field))
        ids = [number or b"" for number in distinct.to_pylist()]
        tables: dict[int, int] = {}
        codes = [tables.setdefault(id(c.names), len(tables)) for c in self.spread.chunks]
        by_id = {id(c.names): c.names for c in self.spread.chunks}
        at = self.spread.codes(codes).astype(np.int64) * len(ids) + arrow.numpy(ids_at)
        # Not all ids with all tables: an exporter may send a new name in every datagram.
        pairs, at = np.unique(at, return_inverse=True) if len(tables) > 1 else (range(len(ids)), at)
        every = [by_id[table] for table in tables]
        known = [_named(ids[pair % len(ids)], every[pair // len(ids)]) for pair in pairs]
        self.found["app"] = words.some(at.astype(np.int32), known)

    def _sampling(self) -> None:
        rate, origin = self._stream_rates()
        if self.plan.rate:
            values = {e: self.batch.uint(f)[0].astype(np.int64) for e, f in self.plan.rate}
            told, turned = sampling.swapped(sampling.intervals(values))
            told = np.where(origin == sampling.ORIGINS.index("setting"), 0, told)
            rate = np.where(told > 0, told, rate)
            as_sent, guessed = map(sampling.ORIGINS.index, ("record", "record-swapped"))
            how = np.where(turned, np.int32(guessed), np.int32(as_sent))
            origin = np.where(told > 0, how, origin)
        if self.batch.origin:
            origin = np.full_like(origin, sampling.ORIGINS.index(self.batch.origin))
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


def _named(number: bytes, names: Mapping[bytes, str]) -> str:
    return names.get(number) or application(number)


def application(number: bytes) -> str:
    """Return an application id as text (RFC 6759 section 4.1): engine and selector.

    The selector of engine 20 begins with the PEN of whoever numbered the applications.
    """
    if not number:
        return ""
    engine, selector = number[0], number[1:]
    if engine == _ENGINE_OF_PEN and len(selector) > _PEN_BYTES:
        pen = int.from_bytes(selector[:_PEN_BYTES], "big")
        return f"{engine}:{pen}:{int.from_bytes(selector[_PEN_BYTES:], 'big')}"
    return f"{engine}:{int.from_bytes(selector, 'big')}"


def _array(values: Numbers, valid: Mask | None, kind: pa.DataType) -> pa.Array[Any]:
    return arrow.ints(values.astype(np.int32) if kind == pa.int32() else values, valid)
