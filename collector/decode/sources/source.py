"""One source: who sends, what was heard of it, and what is missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from collector.decode.sources.clocks import ClockWatch
from collector.decode.sources.history import History
from collector.decode.sources.rhythm import Rhythm

SETTING = "setting"
MOST_FORMATS = 16
MOST_INTERFACES = 256


class Key(NamedTuple):
    """Who: what it sends, and its address or name."""

    kind: str
    """`flows`, `syslog`, `conntrack`; `radius` and `leases` for what other programs tell of."""
    name: str


class Source:
    """What is known of one source."""

    __slots__ = (
        "clock",
        "first_us",
        "formats",
        "frozen",
        "held_at_us",
        "held_us",
        "history",
        "interfaces",
        "key",
        "last_us",
        "protocols",
        "record_rates",
        "restarted_us",
        "restarts",
        "rhythm",
        "sign_ins",
        "signed_in",
    )

    def __init__(self, key: Key, now_us: int) -> None:
        self.key = key
        self.first_us = self.last_us = now_us
        self.rhythm = Rhythm(now_us)
        self.clock = ClockWatch()
        self.history = History()
        self.protocols: set[str] = set()
        self.formats: Counter[str] = Counter()
        """Of syslog lines."""
        self.sign_ins: Counter[str] = Counter()
        """Syslog lines that tell who signed in, by what became of them (`believed.VERDICTS`)."""
        self.signed_in: tuple[int, str] = (0, "")
        """When the newest of them came, and what became of it."""
        self.record_rates: dict[str, int] = {}
        """The newest sampling rate of its records that they told themselves, by its origin."""
        self.interfaces: set[int] = set()
        """Numbers of interfaces in its records."""
        self.held_us = 0
        """For how long it was held back, over TCP or TLS, because it was too fast."""
        self.held_at_us = 0
        """When that was told last."""
        self.restarts = 0
        self.restarted_us = 0
        self.frozen = False
        """Whether its sequence numbers stand still, so that losses cannot be seen."""

    def count_formats(self, found: Mapping[str, int]) -> None:
        """Add lines by format; a sender has few."""
        for name, lines in found.items():
            if name in self.formats or len(self.formats) < MOST_FORMATS:
                self.formats[name] += lines

    def tell_rate(self, origin: str, rate: int) -> None:
        """Take note of the rate of its newest records; 0 for none."""
        if not rate:
            return
        if origin == SETTING or SETTING in self.record_rates:
            self.record_rates.clear()  # the settings are over all that it says
        self.record_rates[origin] = rate

    def use_interfaces(self, numbers: Iterable[int]) -> None:
        """Take note of interfaces; a device has few."""
        for number in numbers:
            if len(self.interfaces) < MOST_INTERFACES:
                self.interfaces.add(number)

    def snapshot(self) -> dict[str, Any]:
        """Return the state as JSON values."""
        return {
            "key": list(self.key),
            "seen": [self.first_us, self.last_us],
            "rhythm": self.rhythm.snapshot(),
            "clock": self.clock.snapshot(),
            "history": self.history.snapshot(),
            "protocols": sorted(self.protocols),
            "formats": dict(self.formats),
            "sign_ins": [dict(self.sign_ins), *self.signed_in],
            "record_rates": self.record_rates,
            "interfaces": sorted(self.interfaces),
            "held": [self.held_us, self.held_at_us],
            "restarts": [self.restarts, self.restarted_us, int(self.frozen)],
        }

    @classmethod
    def restore(cls, state: Mapping[str, Any]) -> Source:
        """Return the source that `snapshot` described."""
        source = cls(Key(*state["key"]), 0)
        source.first_us, source.last_us = state["seen"]
        source.rhythm = Rhythm.restore(state["rhythm"])
        source.clock = ClockWatch.restore(state["clock"])
        source.history = History.restore(state["history"])
        source.protocols = set(state["protocols"])
        source.formats = Counter(state["formats"])
        sign_ins, newest_us, verdict = state.get("sign_ins", ({}, 0, ""))
        source.sign_ins, source.signed_in = Counter(sign_ins), (newest_us, verdict)
        source.record_rates = dict(state.get("record_rates", {}))
        source.interfaces = set(state.get("interfaces", ()))
        source.held_us, source.held_at_us = state.get("held", (0, 0))
        source.restarts, source.restarted_us, frozen = state["restarts"]
        source.frozen = bool(frozen)
        return source
