# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""From packets to names: who was told where a name is, and by which name a device calls a server.

Everything is bounded: the connections whose hello is not complete, and what is kept of each. What
could not be read is counted by reason and told as rows of `coverage`.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass

from collector.sniff.names import dns, hello, quic, segment
from collector.sniff.names.errors import Unreadable
from collector.sniff.names.filter import DNS
from collector.sniff.names.pieces import MOST_OCTETS, Pieces
from collector.sniff.names.segment import TCP, Ends, Segment
from collector.sniff.pace import Bucket
from collector.sniff.records import Record, coverage, text

MOST_CALLS = 4096
MOST_UNFINISHED_NS = 10 * 10**9
"""A hello whose parts come slower is given up."""
AGAIN_NS = 10 * 10**9
"""The same name of the same connection is told once in so long: QUIC's Retry sends it twice."""
TALLY_NS = 10 * 10**9
"""What could not be read is told so often."""
MOST_MESSAGES = 16
"""DNS answers in one TCP segment."""
NAMES_PER_S, NAMES_AT_ONCE = 2000, 10_000
"""Several times what a school of thousands needs; what is more is counted."""

UNREAD = {
    "packet": "packets that are not what they say",
    "dns": "DNS answers that are not what they say",
    "dns-cut": "DNS answers that were cut short",
    "dns-pieces": "pieces of DNS answers over TCP that came in several",
    "hello": "TLS hellos that are not what they say, or too long",
    "hello-part": "TLS hellos of which a part never came by",
    "quic": "QUIC packets that are not what they say",
    "quic-sealed": "QUIC packets of connections whose beginning was not heard",
}
"""Reasons why a packet told no name."""


@dataclass(slots=True)
class _Call:
    """A connection that begins, or has just begun."""

    begun_ns: int
    first: int = 0
    """TCP's number of the first octet of the hello."""
    pieces: Pieces | None = None
    """None once the name is known, or will not be."""
    keys: quic.Keys | None = None
    told: str = ""
    told_ns: int = 0


class Ear:
    """Hears the packets of one interface."""

    def __init__(self, site: str, interface: str) -> None:
        self._site = site
        self._interface = interface
        self._calls: OrderedDict[Ends, _Call] = OrderedDict()
        self.unread: Counter[str] = Counter()
        """Packets by the reason why they told nothing, since last told."""
        self.dropped = 0
        self.left_out = 0
        """Names that were too many at once, or that nobody took."""
        self._room = Bucket(NAMES_PER_S, NAMES_AT_ONCE)
        self._tallied_ns = 0

    def hear(self, packet: bytes, time_ns: int) -> list[Record]:
        """Return the names that a packet tells.

        Args:
            packet: From its IP header on.
            time_ns: When it was on the wire.
        """
        found: list[Record] = []
        try:
            for record in self._heard(segment.read(packet), time_ns):
                if self._room.take(time_ns):
                    found.append(record)
                else:
                    self.left_out += 1
        except Unreadable as error:
            self.unread[str(error)] += 1
        return found

    def started(self, now_ns: int) -> Record:
        """Return that nothing was heard before."""
        note = f"reading names on {self._interface} from now on"
        return self._coverage("sniff-restart", now_ns, note=note)

    def tally(self, now_ns: int, *, last: bool = False) -> list[Record]:
        """Return what was not read since last told; at most every ten seconds, and at the end."""
        if abs(now_ns - self._tallied_ns) < TALLY_NS and not last:
            return []
        self._forget(now_ns)
        lost = [("names-unread", count, UNREAD[why]) for why, count in self.unread.items()]
        lost.append(("kernel-drop", self.dropped, "the program that reads names was too slow"))
        lost.append(("sniff-rows", self.left_out, "too many at once"))
        since, self._tallied_ns = self._tallied_ns or now_ns, now_ns
        self.unread.clear()
        self.dropped = self.left_out = 0
        units = {"sniff-rows": "records"}
        return [
            self._coverage(
                kind, now_ns, since, lost=count, unit=units.get(kind, "packets"), note=note
            )
            for kind, count, note in lost
            if count
        ]

    def _heard(self, heard: Segment, time_ns: int) -> Iterator[Record]:
        ends = heard.ends
        if ends.source_port == DNS:
            yield from self._answers(heard, time_ns)
        elif not segment.is_host(ends.target):
            return
        elif ends.protocol == TCP:
            yield from self._tls(heard, time_ns)
        else:
            yield from self._quic(heard, time_ns)

    # DNS

    def _answers(self, heard: Segment, time_ns: int) -> Iterator[Record]:
        if not segment.is_host(heard.ends.target):
            return
        if not heard.whole:
            raise Unreadable("dns-cut")
        for message in _messages(heard):
            answer = dns.read(message)
            addresses = [] if answer is None else list(filter(segment.is_host, answer.addresses))
            if answer is not None and addresses:
                yield self._name(
                    time_ns,
                    origin="dns-capture",
                    client=segment.text(heard.ends.target),
                    name=answer.name,
                    kind=answer.kind,
                    answers=list(dict.fromkeys(map(segment.text, addresses))),
                    ttl=answer.ttl,
                )

    # TLS over TCP

    def _tls(self, heard: Segment, time_ns: int) -> Iterator[Record]:
        call = self._calls.get(heard.ends)
        if hello.begins(heard.payload) and (call is None or call.first != heard.sequence):
            call = self._begin(heard.ends, _Call(time_ns, heard.sequence, Pieces()))
        if call is None or call.pieces is None:
            return  # of something else, or told already
        offset = (heard.sequence - call.first) & 0xFFFFFFFF
        if offset >= MOST_OCTETS:
            return  # in front of the hello, or far behind
        piece = offset, heard.payload[: MOST_OCTETS - offset]
        yield from self._more(heard.ends, call, [piece], time_ns)

    # QUIC

    def _quic(self, heard: Segment, time_ns: int) -> Iterator[Record]:
        for initial in quic.initials(heard.payload):
            call = self._calls.get(heard.ends)
            frames = call.keys.open(initial) if call is not None and call.keys else None
            if call is None or frames is None:
                keys = quic.Keys(initial.version, initial.connection)
                frames = keys.open(initial)
                if frames is None:
                    self.unread["quic-sealed"] += 1
                    continue
                call = self._begin(heard.ends, _Call(time_ns, pieces=Pieces(), keys=keys))
            if call.pieces is not None:
                yield from self._more(heard.ends, call, quic.crypto(frames), time_ns)

    # Both

    def _begin(self, ends: Ends, call: _Call) -> _Call:
        """Remember a connection; when there are many, the oldest goes."""
        before = self._calls.pop(ends, None)
        if before is not None:
            self._give_up(before)
            call.told, call.told_ns = before.told, before.told_ns
        self._calls[ends] = call
        if len(self._calls) > MOST_CALLS:
            self._give_up(self._calls.popitem(last=False)[1])
        return call

    def _more(
        self,
        ends: Ends,
        call: _Call,
        found: Iterator[tuple[int, bytes]] | list[tuple[int, bytes]],
        time_ns: int,
    ) -> Iterator[Record]:
        """Add pieces to a hello; tell the name once it is whole."""
        pieces = call.pieces
        if pieces is None:
            return
        try:
            for offset, data in found:
                pieces.add(offset, data)
            stream = pieces.beginning()
            said = hello.read(hello.unwrapped(stream) if ends.protocol == TCP else stream)
        except Unreadable:
            call.pieces = None
            raise
        if said is None:
            return
        call.pieces = None
        if not said.name or (said.name == call.told and time_ns - call.told_ns < AGAIN_NS):
            return
        call.told, call.told_ns = said.name, time_ns
        yield self._name(
            time_ns,
            origin="tls-sni" if ends.protocol == TCP else "quic-sni",
            client=segment.text(ends.source),
            client_port=ends.source_port,
            name=said.name,
            kind="sni-ech" if said.ech else "sni",
            answers=[segment.text(ends.target)],
            port=ends.target_port,
        )

    def _give_up(self, call: _Call) -> None:
        if call.pieces is not None:
            self.unread["hello-part"] += 1

    def _forget(self, now_ns: int) -> None:
        while self._calls:
            ends, call = next(iter(self._calls.items()))
            if abs(now_ns - call.begun_ns) < MOST_UNFINISHED_NS:
                return
            self._give_up(self._calls.pop(ends))

    # Records

    def _name(self, time_ns: int, **members: object) -> Record:
        source = f"sniff {self._interface}"
        told = {"time": text(time_ns), "site": self._site, "source": source, **members}
        return "name", told

    def _coverage(
        self, kind: str, now_ns: int, since_ns: int | None = None, **members: object
    ) -> Record:
        return coverage(self._site, self._interface, kind, now_ns, since_ns, **members)


def _messages(heard: Segment) -> Iterator[bytes]:
    """Yield DNS messages; over TCP each has its length in front (RFC 1035 section 4.2.2)."""
    if heard.ends.protocol != TCP:
        yield heard.payload
        return
    at = 0
    for _ in range(MOST_MESSAGES):
        size = int.from_bytes(heard.payload[at : at + 2])
        at += 2
        if not size or at + size > len(heard.payload):
            raise Unreadable("dns-pieces")
        yield heard.payload[at : at + size]
        at += size
        if at == len(heard.payload):
            return
    raise Unreadable("dns-pieces")
