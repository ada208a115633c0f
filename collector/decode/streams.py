"""Templates and sequence of every stream, bounded, whoever sends.

A stream is (version, exporter, UDP source port, observation domain): two processes on one exporter
use the same template ids for different things (RFC 7011 section 8). When an exporter comes back
from another port, the templates of its last port serve until it sends its own. Over TCP and TLS
they hold for the connection they came over, and go with it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any, NamedTuple

from collector.decode import sampling
from collector.decode.layout import Field, Layout
from collector.decode.limits import Limits
from collector.decode.sampling import Rates
from collector.decode.sequence import Sequence
from collector.decode.skew import Skew
from collector.decode.totals import Totals
from collector.records import Frame

_BY_DATAGRAMS = (0, 9)
"""sFlow and NetFlow v9."""
_MOST_PADDING = 3
_KNOWN = 16
"""Datagrams after which a stream is no passer-by."""
_FEW = 16
"""One in so many streams goes at once where there are too many: to look for them takes long."""
_LARGE = 16
"""Who holds more than one in so many of all template fields is the first to lose some."""
OPTIONS = 3
ALL_OF = (2, OPTIONS)
"""Ids in the place of a template's that mean all templates, or all options templates."""
CONNECTED = ("tcp", "tls")
"""Transports over which templates hold for a connection."""


class StreamKey(NamedTuple):
    """Whose templates."""

    version: int
    address: str
    port: int
    domain: int
    session: str = ""
    """Over TCP and TLS what tells connections from the same port apart: transport and our port."""


def session_of(frame: Frame) -> str:
    """Return the last part of the key for what came in a frame."""
    return f"{frame.transport}:{frame.local_port}" if frame.transport in CONNECTED else ""


class Exporter:
    """What is known of one address."""

    __slots__ = ("fields", "keys", "names", "skew")

    def __init__(self) -> None:
        self.fields = 0
        """Of the templates of its streams."""
        self.keys: OrderedDict[StreamKey, None] = OrderedDict()
        """Its streams, least recently used first."""
        self.skew = Skew()
        self.names: Mapping[bytes, str] = {}
        """Application names by id, as told by options; replaced when a name is added."""


class Stream:
    """What is known of one stream."""

    __slots__ = (
        "boot_us",
        "exporter",
        "heard",
        "key",
        "last",
        "last_us",
        "proven",
        "rates",
        "sequence",
        "since",
        "templates",
        "totals",
        "uptime_ms",
    )

    def __init__(self, key: StreamKey, exporter: Exporter, since: int) -> None:
        self.key = key
        self.exporter = exporter
        self.since = since
        """Number of its first datagram, among all of the site."""
        self.heard = 0
        """Datagrams of it."""
        self.last = since
        """Number of its last datagram."""
        self.last_us = 0
        """When that was on the wire."""
        self.uptime_ms = -1
        self.proven = False
        """Whether records of it were decoded: such streams are kept longest."""
        self.boot_us = -1
        self.rates = Rates()
        self.sequence = Sequence(key.version in _BY_DATAGRAMS, doubted=key.version != 0)
        self.templates: dict[int, Layout] = {}
        self.totals = Totals()

    @property
    def standing(self) -> int:
        """How much would be lost with it: what never gave a record is 0, a passer-by 1."""
        return self.proven + (self.proven and self.heard >= _KNOWN)


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
        """Template fields kept in all."""
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

    def learn(self, stream: Stream, template_id: int, layout: Layout) -> bool:
        """Keep a template; return whether it is new or other than before."""
        known = stream.templates.get(template_id)
        if known is layout:
            # Those repeated last are kept longest.
            stream.templates[template_id] = stream.templates.pop(template_id)
            return False
        if known is None and len(stream.templates) >= self._limits.templates_per_stream:
            self._forget(stream, next(iter(stream.templates)))
        elif known is not None:
            self._count(stream, -len(known.fields))
        stream.templates[template_id] = layout
        self._count(stream, len(layout.fields))
        if self._fields > self._limits.fields:
            self._make_room(stream)
        return True

    def withdraw(self, stream: Stream, template_id: int) -> None:
        """Forget a template, or all of a kind (RFC 7011 section 8.1)."""
        gone = [template_id] if template_id in stream.templates else []
        if template_id in ALL_OF:
            options = template_id == OPTIONS
            gone = [n for n, layout in stream.templates.items() if bool(layout.scopes) == options]
        for number in gone:
            self._count(stream, -len(stream.templates.pop(number).fields))

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
        self._count(stream, -sum(len(layout.fields) for layout in stream.templates.values()))
        del stream.exporter.keys[key]
        if not stream.exporter.keys:
            del self._exporters[key.address]
        group = (key.version, key.address, key.domain)
        if self._last_port.get(group) == key:
            del self._last_port[group]

    def _forget(self, stream: Stream, template_id: int) -> None:
        self._count(stream, -len(stream.templates.pop(template_id).fields))
        self.evicted += 1

    def _count(self, stream: Stream, fields: int) -> None:
        self._fields += fields
        stream.exporter.fields += fields

    def snapshot(self) -> dict[str, Any]:
        """Return everything as JSON values; layouts are written once."""
        layouts: dict[Layout, int] = {}
        streams = [
            {
                "key": list(stream.key),
                "since": stream.since,
                "heard": stream.heard,
                "last": stream.last,
                "last_us": stream.last_us,
                "uptime": stream.uptime_ms,
                "proven": stream.proven,
                "boot": stream.boot_us,
                "rates": [stream.rates.header, [list(s) for s in stream.rates.samplers]],
                "sequence": stream.sequence.snapshot(),
                "totals": stream.totals.snapshot(),
                "templates": [
                    [number, layouts.setdefault(layout, len(layouts))]
                    for number, layout in stream.templates.items()
                ],
            }
            for stream in self._streams.values()
        ]
        return {
            "streams": streams,
            "layouts": [[x.version, x.scopes, [list(f) for f in x.fields]] for x in layouts],
            "exporters": [
                [
                    address,
                    [list(key) for key in exporter.keys],
                    exporter.skew.snapshot(),
                    [[number.hex(), name] for number, name in exporter.names.items()],
                ]
                for address, exporter in self._exporters.items()
            ],
            "last_port": [list(key) for key in self._last_port.values()],
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
        for address, keys, differences, names in state["exporters"]:
            exporter = streams._exporters[address] = Exporter()
            exporter.keys = OrderedDict((StreamKey(*key), None) for key in keys)
            exporter.skew = Skew(differences)
            exporter.names = {bytes.fromhex(number): name for number, name in names}
        for record in state["streams"]:
            stream = _restored(record, layouts, streams._exporters)
            streams._streams[stream.key] = stream
            streams._fix_rate(stream)
            streams._count(stream, sum(len(layout.fields) for layout in stream.templates.values()))
        for key in (StreamKey(*key) for key in state["last_port"]):
            streams._last_port[key.version, key.address, key.domain] = key
        streams.evicted, streams.fallbacks = state["evicted"], state["fallbacks"]
        return streams


def _fits(layout: Layout, size: int) -> bool:
    """Whether a set of `size` bytes can be whole records and padding of this layout."""
    return layout.variable or size % layout.least_bytes <= _MOST_PADDING


def _same_but_port(one: StreamKey, other: StreamKey) -> bool:
    """Whether one may have been the other before a restart; what came over a connection may not."""
    if one.session or other.session:
        return False
    return one.version == other.version and one.domain == other.domain and one.port != other.port


def _restored(
    record: dict[str, Any], layouts: list[Layout], exporters: Mapping[str, Exporter]
) -> Stream:
    key = StreamKey(*record["key"])
    stream = Stream(key, exporters[key.address], record["since"])
    stream.last, stream.last_us = record["last"], record["last_us"]
    stream.heard = record["heard"]
    stream.uptime_ms = record["uptime"]
    stream.proven, stream.boot_us = record["proven"], record["boot"]
    header, samplers = record["rates"]
    stream.rates = Rates(header, tuple((number, rate) for number, rate in samplers))
    stream.sequence = Sequence.restore(record["sequence"])
    stream.totals = Totals(record.get("totals"))
    stream.templates = {number: layouts[at] for number, at in record["templates"]}
    return stream
