"""Templates and sequence of every stream, bounded, whoever sends.

A stream is (version, exporter, UDP source port, observation domain): two processes on one exporter
use the same template ids for different things (RFC 7011 section 8). When an exporter comes back
from another port, the templates of its last port serve until it sends its own. Over TCP and TLS
they hold for the connection they came over, and go with it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from itertools import chain
from typing import Any

from collector.decode import sampling
from collector.decode.layout import Field, Layout
from collector.decode.limits import Limits
from collector.decode.skew import Skew
from collector.decode.stream import Age, Exporter, Learnt, Stream, StreamKey

_MOST_PADDING = 3
_FEW = 16
"""One in so many streams goes at once where there are too many: to look for them takes long."""
_LARGE = 16
"""Who holds more than one in so many of all template fields is the first to lose some."""
OPTIONS = 3
ALL_OF = (2, OPTIONS)
"""Ids in the place of a template's that mean all templates, or all options templates."""
TEMPLATE = 32
"""What a template takes besides its fields, in fields: of time to decode it, above all."""


class Streams:
    """All streams of one site."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._streams: OrderedDict[StreamKey, Stream] = OrderedDict()
        """Least recently used first."""
        self._exporters: dict[str, Exporter] = {}
        self._last_port: dict[tuple[int, str, int], StreamKey] = {}
        """The stream before the newest one of an exporter and domain."""
        self._fields = 0
        self._learnt = Learnt()
        self.evicted = 0
        """Streams and templates forgotten because there were too many."""
        self.fallbacks = 0
        """Sets decoded by the templates of the exporter's last port."""

    def __len__(self) -> int:
        return len(self._streams)

    def __iter__(self) -> Iterator[Stream]:
        return iter(self._streams.values())

    @property
    def fields(self) -> int:
        """What all templates take, in fields."""
        return self._fields

    def known(self, key: StreamKey) -> Stream | None:
        """Return a stream that was there before, and say nothing of its use."""
        return self._streams.get(key)

    def get(self, key: StreamKey, number: int, count: int = 1) -> Stream:
        """Return the stream of the datagram with this number, made when it is new.

        Args:
            key: Of the stream.
            number: Among all datagrams of the site; of the last one where there are several.
            count: How many there are.
        """
        stream = self._streams.get(key)
        if stream is None:
            stream = self._add(key, number)
        else:
            self._streams.move_to_end(key)
            stream.exporter.keys.move_to_end(key)
            stream.last = number
        stream.heard += count
        return stream

    def affords(self, stream: Stream, template_id: int, layout: Layout, now_us: int) -> bool:
        """Tell whether a template may be learnt; one that is new or changed takes of a budget.

        Each layout costs time of its own however few records it has, so that templates without end
        would hold up everybody.
        """
        if stream.templates.get(template_id) is layout:
            return True
        budgets = (
            (stream.exporter.learnt, self._limits.learnt_per_exporter),
            (self._learnt, self._limits.learnt),
        )
        price = _price(layout)
        if any(learnt.room(now_us, most) < price for learnt, most in budgets):
            return False
        for learnt, _ in budgets:
            learnt.price += price
        return True

    def learn(self, stream: Stream, template_id: int, layout: Layout, now_us: int) -> bool:
        """Keep a template; return whether it is new or other than before."""
        known = stream.templates.get(template_id)
        if known is layout:
            # Those repeated last are kept longest.
            stream.templates[template_id] = stream.templates.pop(template_id)
            first_us = min(stream.ages[template_id].first_us, now_us)
            stream.ages[template_id] = Age(first_us, now_us)
            return False
        if known is None and len(stream.templates) >= self._limits.templates_per_stream:
            self._forget(stream, next(iter(stream.templates)))
        elif known is not None:
            self._count(stream, -_price(known))
        stream.templates[template_id] = layout
        stream.ages[template_id] = Age(now_us, now_us)
        stream.refused.discard(template_id)
        self._count(stream, _price(layout))
        if self._fields > self._limits.fields:
            self._make_room(stream)
        return True

    def refuse(self, stream: Stream, template_id: int) -> None:
        """Forget what a template was, and that records of it came: they are not to be guessed."""
        self.withdraw(stream, template_id)
        if len(stream.refused) < self._limits.templates_per_stream:
            stream.refused.add(template_id)

    def withdraw(self, stream: Stream, template_id: int) -> None:
        """Forget a template, or all of a kind (RFC 7011 section 8.1)."""
        gone = [template_id] if template_id in stream.templates else []
        if template_id in ALL_OF:
            options = template_id == OPTIONS
            gone = [n for n, layout in stream.templates.items() if bool(layout.scopes) == options]
        for number in gone:
            self._drop(stream, number)

    def end(self, address: str, port: int, session: str) -> None:
        """Forget the streams of a connection."""
        exporter = self._exporters.get(address)
        for key in list(exporter.keys) if exporter else ():
            if (key.port, key.session) == (port, session):
                self._remove(key)

    def find(self, stream: Stream, template_id: int, size: int) -> Layout | None:
        """Return the layout of a data set of `size` bytes, None while nobody told it."""
        layout = stream.templates.get(template_id)
        if layout is not None or stream.templates or stream.key.session:
            return layout
        return self._of_last_port(stream, template_id, size)

    def _of_last_port(self, stream: Stream, template_id: int, size: int) -> Layout | None:
        key = stream.key
        last_key = self._last_port.get((key.version, key.address, key.domain))
        last = self._streams.get(last_key) if last_key else None
        # An old port that still speaks belongs to another process, not to a restarted one.
        if last is None or last is stream or last.last >= stream.since:
            return None
        layout = last.templates.get(template_id)
        if layout is None or not _fits(layout, size):
            return None
        self.fallbacks += 1
        return layout

    def _add(self, key: StreamKey, number: int) -> Stream:
        exporter = self._exporters.setdefault(key.address, Exporter())
        stream = self._streams[key] = Stream(key, exporter, number)
        self._fix_rate(stream)
        siblings = exporter.keys
        before = next((k for k in reversed(siblings) if _same_but_port(k, key)), None)
        if before is not None:
            self._last_port[key.version, key.address, key.domain] = before
        siblings[key] = None
        for among, most in (
            (siblings, self._limits.streams_per_exporter),
            (self._streams, self._limits.streams),
        ):
            if len(among) > most:
                self._evict(among, key, most)
        return stream

    def _fix_rate(self, stream: Stream) -> None:
        """Take the rate of the settings; samples of sFlow have each its own."""
        if self._limits.sampling and stream.key.version:
            rate = sampling.fixed(self._limits.sampling, stream.key.address)
            stream.rates = stream.rates._replace(fixed=rate)

    def _make_room(self, learning: Stream) -> None:
        """Forget templates until there is room again for those that come next.

        Who holds very many loses its own first: it must not take those of others from them.
        """
        limit = self._limits.fields
        while self._fields > limit - limit // _FEW:
            largest = max(self._exporters.values(), key=lambda exporter: exporter.fields)
            among = largest.keys if largest.fields > limit // _LARGE else self._streams
            if self._evict(among, learning.key, len(among)):
                continue
            if len(learning.templates) < 2:
                return
            self._forget(learning, next(iter(learning.templates)))

    def _evict(self, among: OrderedDict[StreamKey, Any], but: StreamKey, many: int) -> bool:
        """Forget some of `many` streams; tell whether there was any.

        Those go first that never gave a record, then those that hardly spoke, then those that were
        silent longest: whoever makes up addresses must not push out a school's router.
        """
        count = max(1, many // _FEW)
        by_standing: tuple[list[StreamKey], ...] = ([], [], [])
        for key in among:
            if key != but:
                by_standing[self._streams[key].standing].append(key)
                if len(by_standing[0]) == count:
                    break
        gone = list(chain(*by_standing))[:count]
        for key in gone:
            self._remove(key)
        self.evicted += len(gone)
        return bool(gone)

    def _remove(self, key: StreamKey) -> None:
        stream = self._streams.pop(key)
        self._count(stream, -sum(map(_price, stream.templates.values())))
        del stream.exporter.keys[key]
        if not stream.exporter.keys:
            del self._exporters[key.address]
        group = (key.version, key.address, key.domain)
        if self._last_port.get(group) == key:
            del self._last_port[group]

    def _forget(self, stream: Stream, template_id: int) -> None:
        self._drop(stream, template_id)
        self.evicted += 1

    def _drop(self, stream: Stream, template_id: int) -> None:
        self._count(stream, -_price(stream.templates.pop(template_id)))
        del stream.ages[template_id]

    def _count(self, stream: Stream, fields: int) -> None:
        self._fields += fields
        stream.exporter.fields += fields

    def snapshot(self) -> dict[str, Any]:
        """Return everything as JSON values; layouts are written once."""
        layouts: dict[Layout, int] = {}
        streams = [stream.snapshot(layouts) for stream in self._streams.values()]
        return {
            "streams": streams,
            "layouts": [[x.version, x.scopes, [list(f) for f in x.fields]] for x in layouts],
            "exporters": [
                [
                    address,
                    [list(key) for key in exporter.keys],
                    exporter.skew.snapshot(),
                    [[number.hex(), name] for number, name in exporter.names.items()],
                    [exporter.learnt.minute, exporter.learnt.price],
                    [[number, name] for number, name in exporter.interfaces.items()],
                ]
                for address, exporter in self._exporters.items()
            ],
            "last_port": [list(key) for key in self._last_port.values()],
            "learnt": [self._learnt.minute, self._learnt.price],
            "evicted": self.evicted,
            "fallbacks": self.fallbacks,
        }

    @classmethod
    def restore(cls, state: dict[str, Any], limits: Limits) -> Streams:
        """Return the streams that `snapshot` described."""
        streams = cls(limits)
        layouts = [
            Layout.of(version, scopes, tuple(Field(*field) for field in fields))
            for version, scopes, fields in state["layouts"]
        ]
        for address, keys, differences, names, *more in state["exporters"]:
            exporter = streams._exporters[address] = Exporter()
            exporter.keys = OrderedDict((StreamKey(*key), None) for key in keys)
            exporter.skew = Skew(differences)
            exporter.names = {bytes.fromhex(number): name for number, name in names}
            exporter.learnt = Learnt(*(more[0] if more else ()))
            exporter.interfaces = {number: name for number, name in (more[1] if more else ())}
        for record in state["streams"]:
            stream = Stream.restore(record, layouts, streams._exporters)
            streams._streams[stream.key] = stream
            streams._fix_rate(stream)
            streams._count(stream, sum(map(_price, stream.templates.values())))
        for key in (StreamKey(*key) for key in state["last_port"]):
            streams._last_port[key.version, key.address, key.domain] = key
        streams._learnt = Learnt(*state.get("learnt", ()))
        streams.evicted, streams.fallbacks = state["evicted"], state["fallbacks"]
        return streams


def _price(layout: Layout) -> int:
    return TEMPLATE + len(layout.fields)


def _fits(layout: Layout, size: int) -> bool:
    """Whether a set of `size` bytes can be whole records and padding of this layout."""
    return layout.variable or size % layout.least_bytes <= _MOST_PADDING


def _same_but_port(one: StreamKey, other: StreamKey) -> bool:
    """Whether one may have been the other before a restart; what came over a connection may not."""
    if one.session or other.session:
        return False
    return one.version == other.version and one.domain == other.domain and one.port != other.port
