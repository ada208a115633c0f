"""Data sets that came before their template, kept until it comes; bounded.

What has to go is the oldest, and it is counted as lost with its exporter and template id.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections import OrderedDict
from collections.abc import Callable
from itertools import islice
from typing import Any, NamedTuple

from collector.decode.head import Head
from collector.decode.limits import Limits
from collector.decode.sampling import Rates
from collector.decode.stream import StreamKey

_LARGE = 16
"""Who holds more than one in so many of all sets, or of their bytes, is the first to lose some."""
_SOME = 64
"""One in so many goes at once: to look for them takes long."""


class Waiting(NamedTuple):
    """One set without template."""

    key: StreamKey
    template: int
    body: bytes
    head: Head


class WaitingSets:
    """All waiting sets of one site, in order of arrival."""

    def __init__(self, limits: Limits, lost: Callable[[Waiting], None]) -> None:
        self._limits = limits
        self._lost = lost
        self._next = 0
        self._sets: OrderedDict[int, Waiting] = OrderedDict()
        self._of_template: dict[tuple[StreamKey, int], list[int]] = {}
        self._of_exporter: dict[str, OrderedDict[int, None]] = {}
        self._exporter_bytes: dict[str, int] = {}
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._sets)

    def add(self, waiting: Waiting) -> None:
        """Keep a set; the oldest go when there are too many, or too many bytes."""
        number, self._next = self._next, self._next + 1
        address = waiting.key.address
        self._sets[number] = waiting
        self._of_template.setdefault((waiting.key, waiting.template), []).append(number)
        self._of_exporter.setdefault(address, OrderedDict())[number] = None
        size = len(waiting.body)
        self._exporter_bytes[address] = self._exporter_bytes.get(address, 0) + size
        self.bytes += size
        self._bound(address)

    def take(self, key: StreamKey, template: int) -> list[Waiting]:
        """Return and forget the sets that waited for this template, in order."""
        numbers = list(self._of_template.get((key, template), ()))
        return [self._remove(number) for number in numbers]

    def end(self, address: str, port: int, session: str) -> None:
        """Give up the sets of a connection: no template can come for them any more."""
        for number in list(self._of_exporter.get(address, ())):
            key = self._sets[number].key
            if (key.port, key.session) == (port, session):
                self._lost(self._remove(number))

    def expire(self, now_us: int) -> None:
        """Give up sets that waited too long."""
        oldest = now_us - self._limits.waiting_s * 1_000_000
        while self._sets:
            number, waiting = next(iter(self._sets.items()))
            if waiting.head.received_us >= oldest:
                return
            self._lost(self._remove(number))

    def kept(self) -> list[Waiting]:
        """Return the sets that wait now."""
        return list(self._sets.values())

    def _bound(self, address: str) -> None:
        limits, own = self._limits, self._of_exporter[address]
        while (
            len(own) > limits.waiting_sets_per_exporter
            or self._exporter_bytes.get(address, 0) > limits.waiting_bytes_per_exporter
        ):
            self._lost(self._remove(next(iter(own))))
        if len(self._sets) > limits.waiting_sets or self.bytes > limits.waiting_bytes:
            self._make_room()

    def _make_room(self) -> None:
        """Lose sets: of whoever has very many, else the oldest of all.

        A sender whose sets wait for ever must not take the room of those whose templates come in a
        minute.
        """
        limits = self._limits
        largest = max(self._exporter_bytes, key=lambda name: self._exporter_bytes[name])
        most = max(self._of_exporter, key=lambda name: len(self._of_exporter[name]))
        for name, large in (
            (largest, self._exporter_bytes[largest] > limits.waiting_bytes // _LARGE),
            (most, len(self._of_exporter[most]) > limits.waiting_sets // _LARGE),
        ):
            own = self._of_exporter.get(name)
            for number in list(own)[: -(-len(own) // _SOME)] if own and large else ():
                self._lost(self._remove(number))
        while len(self._sets) > limits.waiting_sets or self.bytes > limits.waiting_bytes:
            for number in list(islice(self._sets, max(1, len(self._sets) // _SOME))):
                self._lost(self._remove(number))

    def _remove(self, number: int) -> Waiting:
        waiting = self._sets.pop(number)
        address, size = waiting.key.address, len(waiting.body)
        of_template = self._of_template[waiting.key, waiting.template]
        # Nearly always the first: sets leave in the order they came.
        of_template.remove(number)
        if not of_template:
            del self._of_template[waiting.key, waiting.template]
        del self._of_exporter[address][number]
        self._exporter_bytes[address] -= size
        self.bytes -= size
        if not self._of_exporter[address]:
            del self._of_exporter[address], self._exporter_bytes[address]
        return waiting

    def snapshot(self) -> list[Any]:
        """Return the sets as JSON values."""
        return [
            [list(key), template, b64encode(body).decode(), [*head[:-1], list(head.rates)]]
            for key, template, body, head in self._sets.values()
        ]

    def restore(self, state: list[Any]) -> None:
        """Keep the sets that `snapshot` described, and no others."""
        self._sets.clear()
        self._of_template.clear()
        self._of_exporter.clear()
        self._exporter_bytes.clear()
        self.bytes = 0
        for key, template, body, values in state:
            *plain, (header, samplers, fixed) = values
            rates = Rates(header, tuple((number, rate) for number, rate in samplers), fixed)
            head = Head._make([*plain, rates])
            self.add(Waiting(StreamKey(*key), template, b64decode(body), head))
