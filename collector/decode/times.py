"""When a flow began and ended: every form exporters use, and a verdict on the exporter's clock.

Uptimes are 32-bit milliseconds that come round every 49.7 days, so all arithmetic on them stays in
32 bits. `exporter` times are absolute and as the exporter says; `start` and `end` are corrected by
the clock's offset, or replaced by the time on the wire where the exporter's cannot be true.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from collector.decode.batch import Batch, Mask
from collector.decode.head import Micros, Spread
from collector.decode.layout import Layout
from collector.decode.skew import STOPPED

VERDICTS = ["ok", "skewed", "implausible", "none"]
OK, SKEWED, IMPLAUSIBLE, NONE = range(4)

_S = 1_000_000
_EARLIEST = int(datetime(1990, 1, 1, tzinfo=UTC).timestamp()) * _S
_LATEST = int(datetime(2400, 1, 1, tzinfo=UTC).timestamp()) * _S
"""From here on a year is of the Buddhist era, or nonsense."""
_AHEAD = 300 * _S
"""A flow that ends so long after it was sent has another clock than the header."""
_BEHIND = 7 * 86400 * _S
_STALE = 3600 * _S
_NOWHERE = 2 * _LATEST
"""Stands for a time that cannot be placed; later than all that can."""
_LONGEST = 86400 * _S * 49
_ROUND_US = (1 << 32) * 1000
_END_UPTIME = 21
_HALF_MS = np.uint32(1 << 31)
_NTP_EPOCH = 2_208_988_800
_NTP_ERA = 1 << 32
_NTP_ELEMENTS = (154, 155, 156, 157, 324, 325)

Moment = tuple[Micros, Mask]
"""µs since the epoch, and where they are told."""


class Times(NamedTuple):
    """Columns of one batch."""

    start: Micros
    end: Micros
    exporter_start: Micros
    exporter_end: Micros
    told: Mask
    """Where the exporter columns hold."""
    verdict: npt.NDArray[np.int32]
    """Index into VERDICTS."""


class Form(NamedTuple):
    """One way to tell a time: the elements and how to read them."""

    start: int | None
    end: int | None
    read: Callable[[Batch, Spread, int], Moment]


def used(layout: Layout) -> set[int]:
    """Return the fields of `layout` that the times are made from."""
    wanted = [160, 161, 162] + [e for form in _pick(layout) for e in (form.start, form.end) if e]
    return {layout.places[0, e] for e in wanted if (0, e) in layout.places}


def is_plausible(moment_us: int) -> bool:
    """Tell whether an exporter can have meant this as the time now."""
    return _EARLIEST <= moment_us < _LATEST


def are_plausible(moments: Micros) -> Mask:
    """Tell the same of many."""
    return (moments >= _EARLIEST) & (moments < _LATEST)


def read(batch: Batch, spread: Spread) -> Times:
    """Return the times of every row."""
    start, has_start, end, has_end = _told(batch, spread)
    duration = _duration(batch, start, end, has_start & has_end)
    start = np.where(has_start, start, end - duration)
    end = np.where(has_end, end, start + duration)
    told = has_start | has_end
    verdict = _judge(start, end, told, spread)
    if FORMS[-1] in _pick(batch.layout) and _has(batch.layout, 21) and _has(batch.layout, 22):
        duration = _uptime_duration(batch)
    good = (verdict == OK) | (verdict == SKEWED)
    offset = _if(_running(spread), spread.offset, 0)
    lasted = np.where((duration >= 0) & (duration < _LONGEST), duration, 0)
    # Where the exporter's clock cannot be used, the flow ended when its record arrived.
    return Times(
        start=np.where(good, start + offset, spread.wire - lasted),
        end=np.where(good, end + offset, spread.wire),
        exporter_start=np.where(told, start, 0),
        exporter_end=np.where(told, end, 0),
        told=told & (np.maximum(start, end) < _NOWHERE),
        verdict=verdict,
    )


def _told(batch: Batch, spread: Spread) -> tuple[Micros, Mask, Micros, Mask]:
    """Return start and end as the exporter tells them, by the best form there is."""
    none = np.zeros(batch.rows, np.bool_)
    start, has_start = np.zeros(batch.rows, np.int64), none
    end, has_end = np.zeros(batch.rows, np.int64), none
    for form in _pick(batch.layout):
        for element, is_start in ((form.start, True), (form.end, False)):
            place = batch.layout.places.get((0, element)) if element else None
            if place is None:
                continue
            moment, valid = form.read(batch, spread, place)
            if is_start:
                start, has_start = np.where(has_start, start, moment), has_start | valid
            else:
                end, has_end = np.where(has_end, end, moment), has_end | valid
    return start, has_start, end, has_end


def _judge(start: Micros, end: Micros, told: Mask, spread: Spread) -> npt.NDArray[np.int32]:
    sent = _if(_running(spread), spread.sent, -1)
    usable = (sent >= _EARLIEST) & (sent < _LATEST)
    reference = np.where(usable, spread.sent, spread.wire)
    plausible = (
        (start >= _EARLIEST)
        & (end < _LATEST)
        & (start <= end)
        & (end <= reference + _AHEAD)
        & (end >= reference - _BEHIND)
    )
    verdict = np.where(_if(_running(spread), spread.offset, 0) != 0, np.int32(SKEWED), np.int32(OK))
    verdict = np.where(plausible, verdict, np.int32(IMPLAUSIBLE))
    return np.where(told, verdict, np.int32(NONE))


def _running(spread: Spread) -> Mask | None:
    """Tell where the header's clock does not stand still; None: everywhere.

    Where it does, only times are used that do not hang on it.
    """
    if not spread.some_stopped:
        return None
    running: Mask = spread.offset != STOPPED
    return running


def _if(running: Mask | None, moment: Micros, other: int) -> Micros:
    return moment if running is None else np.where(running, moment, other)


def _duration(batch: Batch, start: Micros, end: Micros, both: Mask) -> Micros:
    """Return how long each flow lasted, µs: by its times, else as told (161, 162), else 0."""
    duration = np.where(both, end - start, 0)
    for element, unit in ((161, 1000), (162, 1)):
        place = batch.layout.places.get((0, element))
        if place is not None:
            values, valid = batch.uint(place)
            told = np.minimum(values, np.uint64(_LONGEST)).astype(np.int64) * unit
            use = ~both if valid is None else ~both & valid
            return np.where(use, told, duration)
    return duration


def _uptime_duration(batch: Batch) -> Micros:
    """Return last - first in 32 bits, µs: right even where the uptimes cannot be placed."""
    first, last = (batch.uint(batch.layout.places[0, e])[0].astype(np.uint32) for e in (22, 21))
    lasted = last - first
    return np.where(lasted < _HALF_MS, lasted, 0).astype(np.int64) * 1000


def _seconds(batch: Batch, _: Spread, place: int) -> Moment:
    return _scaled(batch, place, _S)


def _milliseconds(batch: Batch, _: Spread, place: int) -> Moment:
    return _scaled(batch, place, 1000)


def _scaled(batch: Batch, place: int, unit: int) -> Moment:
    values, valid = batch.uint(place)
    # Beyond the latest year any value is as wrong as another, and must not overflow.
    most = np.uint64(_NOWHERE // unit)
    moment = np.minimum(values, most).astype(np.int64) * unit
    return moment, _all(batch) if valid is None else valid


def _ntp(batch: Batch, spread: Spread, place: int) -> Moment:
    """Read seconds since 1900 and a fraction of 2^-32 s (RFC 7011 section 6.1.9)."""
    values, valid = batch.uint(place)
    seconds = (values >> np.uint64(32)).astype(np.int64)
    fraction = _fraction(values)
    micros = np.where(_in_micros(batch, spread), fraction, fraction * _S >> 32)
    # RFC 4330 section 3: without the top bit it is the era that begins in 2036.
    seconds = np.where(seconds < 1 << 31, seconds + _NTP_ERA, seconds) - _NTP_EPOCH
    known = values != 0
    return seconds * _S + micros, known if valid is None else valid & known


def _in_micros(batch: Batch, spread: Spread) -> Mask:
    """Tell which rows have microseconds in the fraction, as some exporters do.

    Those of sets in which every fraction is below 10^6: a true one is so small once in 4300 times.
    """
    large = np.zeros(batch.rows, np.bool_)
    for element in _NTP_ELEMENTS:
        place = batch.layout.places.get((0, element))
        if place is not None:
            large |= _fraction(batch.uint(place)[0]) >= _S
    owner = np.repeat(np.arange(len(spread.counts)), spread.counts)
    in_set = np.bincount(owner, weights=large, minlength=len(spread.counts))
    micros: Mask = in_set[owner] == 0
    return micros


def _fraction(values: npt.NDArray[np.unsignedinteger[Any]]) -> Micros:
    return (values & np.uint64(0xFFFFFFFF)).astype(np.int64)


def _before_sent(batch: Batch, spread: Spread, place: int) -> Moment:
    """Read µs before the time of sending (158, 159)."""
    values, valid = batch.uint(place)
    told = np.minimum(values, np.uint64(_LATEST)).astype(np.int64)
    moment = _if(_running(spread), spread.sent - told, _NOWHERE)
    return moment, _all(batch) if valid is None else valid


def _uptime(batch: Batch, spread: Spread, place: int) -> Moment:
    """Place an uptime by the header's uptime, else by the time the exporter started."""
    values, valid = batch.uint(place)
    uptime = values.astype(np.uint32)
    valid = _all(batch) if valid is None else valid
    age = spread.uptime.astype(np.uint32) - uptime
    by_header = spread.sent - age.astype(np.int64) * 1000
    # An uptime after that of the header cannot be placed; ahead of all plausible times it is seen.
    by_header = _if(_running(spread), np.where(age < _HALF_MS, by_header, _NOWHERE), _NOWHERE)
    boot, booted = _boot(batch, spread)
    by_boot = _nearest_round(boot + uptime.astype(np.int64) * 1000, spread.sent)
    if batch.layout.fields[place].id == _END_UPTIME:
        # A wrong start of the exporter leaves a time anywhere in a round: believe what is recent.
        late = (by_boot - boot >= _ROUND_US) & (by_boot < spread.sent - _STALE)
        by_boot = np.where(late, _NOWHERE, by_boot)
    headed = spread.uptime >= 0
    use_boot = booted & (~headed | _record_boot(batch))
    return np.where(use_boot, by_boot, by_header), valid & (headed | booted)


def _record_boot(batch: Batch) -> bool:
    return _has(batch.layout, 160)


def _boot(batch: Batch, spread: Spread) -> Moment:
    """Return when the exporter started: from the record itself, else from its options."""
    place = batch.layout.places.get((0, 160))
    if place is None:
        return spread.boot, spread.boot >= 0
    moment, valid = _scaled(batch, place, 1000)
    return moment, valid & (moment > 0)


def _nearest_round(moment: Micros, sent: Micros) -> Micros:
    """Add the rounds of 49.7 days that an uptime has come round since the exporter's start."""
    rounds = np.maximum((sent - moment + _ROUND_US // 2) // _ROUND_US, 0)
    nearest: Micros = moment + rounds * _ROUND_US
    return nearest


FORMS = (
    Form(156, 157, _ntp),
    Form(154, 155, _ntp),
    Form(152, 153, _milliseconds),
    Form(150, 151, _seconds),
    Form(158, 159, _before_sent),
    Form(22, 21, _uptime),
)
"""Best first."""
EVENTS = (
    Form(325, 325, _ntp),
    Form(324, 324, _ntp),
    Form(323, 323, _milliseconds),
    Form(322, 322, _seconds),
    Form(258, 258, _milliseconds),
)
"""The time of a single event stands for start and end where those are missing."""


def _pick(layout: Layout) -> list[Form]:
    """Return the forms to use: the first whole pair, else what halves there are, then events."""
    for form in FORMS:
        if _has(layout, form.start) and _has(layout, form.end):
            return [form]
    halves = [form for form in FORMS if _has(layout, form.start) or _has(layout, form.end)]
    if halves and (_has(layout, 161) or _has(layout, 162)):
        return halves
    return halves + [form for form in EVENTS if _has(layout, form.start)][:1]


def _has(layout: Layout, element: int | None) -> bool:
    return element is not None and (0, element) in layout.places


def _all(batch: Batch) -> Mask:
    return np.ones(batch.rows, np.bool_)
