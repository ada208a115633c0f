"""Which names devices asked for: dnsmasq's query log (`log-queries=extra`), and what was captured.

Read only where a written reason is set: names of visited hosts are no traffic data of themselves.
`extra` puts the client in front of every answer; without it an answer tells no client, and only the
question is kept. The log tells no TTL, what was captured (`collector/sniff/names/`) does.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from collector.decode.leases import held
from collector.decode.syslog.program import own_words
from collector.records import Frame, FrameKind, NameEvent, microseconds

LONGEST = 2048
_LONGEST_NAME = 253
"""RFC 1035 section 2.3.4, without the dot at the end."""

_IP = r"[0-9A-Fa-f.:]{2,45}"
_NAME = r"(?P<name>[^\s/]{1,253})"
_ANSWER = re.compile(
    rf"(?P<query>\d{{1,12}} (?P<client>{_IP})/\d{{1,5}}) "
    rf"(?:reply|cached|cached-stale) {_NAME} is (?P<value>{_IP}|<CNAME>)(?:\s|$)"
)
_QUESTION = re.compile(
    rf"query\[(?P<kind>[A-Za-z0-9]{{1,10}})\] {_NAME} "
    rf"from (?P<client>{_IP})(?:\s|$)"
)


class Named(NamedTuple):
    """A device asked for a name, and what it was told."""

    time_us: int
    client: str
    name: str
    """Lower case, without the dot at the end."""
    kind: str
    """`A`, `AAAA`, `CNAME`, or the kind of a question whose answer is not known; of a hello `sni`,
    or `sni-ech` where the name may be the outer one only."""
    answer: str
    """An address; empty where none was told."""
    source: str
    query: str = ""
    """What tells the question of an answer from others of its time; empty: not known."""
    origin: str = "query-log"
    """Or `dns-capture`, `tls-sni`, `quic-sni`."""
    ttl: int | None = None
    client_port: int | None = None
    port: int | None = None
    """Of the server that a hello went to."""


def may_tell(frame: Frame) -> bool:
    """Whether a frame, of one line or of many, need be looked at."""
    of_lines = frame.kind in (FrameKind.SYSLOG, FrameKind.LINES)
    return b"dnsmasq" in frame.payload if of_lines else frame.kind is FrameKind.NAME


def of_frame(frame: Frame) -> Named | None:
    """Return what a syslog message as received tells of a name, at the time it was on the wire."""
    if b"dnsmasq" not in frame.payload:
        return None
    line = frame.payload[:LONGEST].decode(errors="replace")
    program, message = own_words(line)
    if program.rpartition("/")[2] != "dnsmasq":
        return None
    found = _ANSWER.match(message) or _QUESTION.match(message)
    client = held.address(found["client"]) if found else None
    if found is None or client is None:
        return None
    name = held.name(found["name"])[:_LONGEST_NAME].rstrip(".").lower()
    parts = found.groupdict("")
    answer = held.address(parts.get("value", "")) or ""
    kind = parts.get("kind") or ("CNAME" if not answer else "AAAA" if ":" in answer else "A")
    query = f"{frame.address} {parts['query']}" if parts.get("query") else ""
    time_us = frame.wire_ns // 1000
    return Named(time_us, client, name, kind, answer, frame.address, query) if name else None


def captured(frame: Frame) -> list[Named]:
    """Return what was captured, an entry for each address.

    Raises:
        ValueError: it is no such record.
    """
    event = NameEvent.from_json(frame.payload)
    told = Named(
        microseconds(event.time),
        event.client,
        event.name,
        event.kind,
        "",
        event.source,
        origin=event.origin,
        ttl=event.ttl,
        client_port=event.client_port,
        port=event.port,
    )
    return [told._replace(answer=answer) for answer in event.answers]
