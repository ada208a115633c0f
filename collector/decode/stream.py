"""One stream of an exporter: its templates, sampling rates and sequence."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, NamedTuple

from collector.decode.layout import Layout
from collector.decode.sampling import Rates
from collector.decode.sequence import Sequence
from collector.decode.skew import Skew
from collector.decode.totals import Totals
from collector.records import Frame

CONNECTED = ("tcp", "tls")
"""Transports over which templates hold for a connection."""
_BY_DATAGRAMS = (0, 9)
"""sFlow and NetFlow v9."""
_KNOWN = 16
"""Datagrams after which a stream is no passer-by."""


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

    __slots__ = ("fields", "interfaces", "keys", "learnt", "names", "skew")

    def __init__(self) -> None:
        self.fields = 0
        """Of the templates of its streams, and what each template takes besides."""
        self.keys: OrderedDict[StreamKey, None] = OrderedDict()
        """Its streams, least recently used first."""
        self.learnt = Learnt()
        self.skew = Skew()
        self.names: Mapping[bytes, str] = {}
        """Application names by id, as told by options; replaced when a name is added."""
        self.interfaces: dict[int, str] = {}
        """Names of interfaces by number, as told by options."""


class Learnt:
    """What new templates took in the minute that it is now."""

    __slots__ = ("minute", "price")

    def __init__(self, minute: int = 0, price: int = 0) -> None:
        self.minute = minute
        self.price = price

    def room(self, now_us: int, most: int) -> int:
        """Return how much more may be learnt in this minute."""
        minute = now_us // _MINUTE_US
        if minute != self.minute:
            self.minute, self.price = minute, 0
        return most - self.price


_MINUTE_US = 60_000_000


class Age(NamedTuple):
    """Since when a template is known, and when it was heard last."""

    first_us: int
    newest_us: int
    restored: bool = False
    """It was read from the disk, and its exporter has not repeated it since."""


class Stream:
    """What is known of one stream."""

    __slots__ = (
        "ages",
        "boot_us",
        "exporter",
        "heard",
        "key",
        "last",
        "last_us",
        "proven",
        "rates",
        "refused",
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
        self.ages: dict[int, Age] = {}
        """Of each template."""
        self.refused: set[int] = set()
        """Templates that were too many: their records cannot be read until they are repeated."""
        self.totals = Totals()

    @property
    def standing(self) -> int:
        """How much would be lost with it: what never gave a record is 0, a passer-by 1."""
        return self.proven + (self.proven and self.heard >= _KNOWN)

    def snapshot(self, layouts: dict[Layout, int]) -> dict[str, Any]:
        """Return the state as JSON values.

        Args:
            layouts: The number of each layout that was named so far; new ones are added.
        """
        return {
            "key": list(self.key),
            "since": self.since,
            "heard": self.heard,
            "last": self.last,
            "last_us": self.last_us,
            "uptime": self.uptime_ms,
            "proven": self.proven,
            "boot": self.boot_us,
            "rates": [self.rates.header, [list(s) for s in self.rates.samplers]],
            "sequence": self.sequence.snapshot(),
            "totals": self.totals.snapshot(),
            "refused": sorted(self.refused),
            "templates": [
                [number, layouts.setdefault(layout, len(layouts)), *self.ages[number][:2]]
                for number, layout in self.templates.items()
            ],
        }

    @classmethod
    def restore(
        cls, state: Mapping[str, Any], layouts: list[Layout], exporters: Mapping[str, Exporter]
    ) -> Stream:
        """Return the stream that `snapshot` described, each template as one from the disk."""
        key = StreamKey(*state["key"])
        stream = cls(key, exporters[key.address], state["since"])
        stream.last, stream.last_us = state["last"], state["last_us"]
        stream.heard = state["heard"]
        stream.uptime_ms = state["uptime"]
        stream.proven, stream.boot_us = state["proven"], state["boot"]
        header, samplers = state["rates"]
        stream.rates = Rates(header, tuple((number, rate) for number, rate in samplers))
        stream.sequence = Sequence.restore(state["sequence"])
        stream.totals = Totals(state.get("totals"))
        stream.refused = set(state.get("refused", ()))
        for number, at, *ages in state["templates"]:
            first_us, newest_us = ages or (stream.last_us, stream.last_us)
            stream.templates[number] = layouts[at]
            stream.ages[number] = Age(first_us, newest_us, restored=True)
        return stream
