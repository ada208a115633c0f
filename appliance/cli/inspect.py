"""`prathu inspect`: what is in captures and datagrams, without a home and without a trace."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from appliance.cli import compare
from appliance.cli.context import Context
from appliance.errors import WrongUse
from appliance.search.printable import json_line
from collector.decode import capture, listing
from collector.decode.decoder import FlowDecoder, Heap
from collector.decode.limits import Limits
from collector.decode.listing import Record
from collector.decode.stream import StreamKey
from collector.errors import Malformed
from collector.records import CoverageEvent, Frame, FrameKind

_BLOCK = 500
"""So many datagrams are decoded together."""
_SITE = "inspect"
_NETFLOW = {0: "sflow5", 5: "netflow5", 7: "netflow7", 9: "netflow9", 10: "ipfix"}


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("inspect")(inspect)


def inspect(  # noqa: PLR0913  # one argument per option
    ctx: typer.Context,
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="FILE...", help="pcap, pcapng, or one raw datagram per file."),
    ] = None,
    summary: Annotated[
        bool, typer.Option("--summary", help="Only counts, templates and losses.")
    ] = False,
    port: Annotated[
        list[int] | None, typer.Option(help="Only datagrams to this port; more than once.")
    ] = None,
    again: Annotated[
        bool, typer.Option("--compare", help="Decode the sealed datagrams again, and compare.")
    ] = False,
    site: Annotated[str, typer.Option(help="With --compare: the site.")] = "",
    since: Annotated[str, typer.Option("--from", help="With --compare: received since.")] = "-1d",
    until: Annotated[str, typer.Option("--to", help="With --compare: received before.")] = "",
    lead: Annotated[
        float, typer.Option(help="With --compare: minutes read before, for their templates.")
    ] = 60,
) -> None:
    """Decode NetFlow, IPFIX and sFlow offline: JSON lines, one record each, IPFIX element names.

    All files are taken in turn by one decoder: a template in the first serves the next.
    With --compare, the sealed datagrams of the home are decoded again and compared with its rows.
    """
    context: Context = ctx.obj
    if again:
        if files or summary or port:
            raise WrongUse("--compare takes no files: it reads what the home has sealed")
        raise typer.Exit(compare.run(context, site=site, since=since, until=until, lead=lead))
    if not files:
        raise WrongUse("which files?", hint="or: prathu inspect --compare --from T --to T")
    _inspect(context, files, ports=set(port or ()), summary=summary)


def _inspect(context: Context, files: Sequence[Path], *, ports: set[int], summary: bool) -> None:
    work = _Inspection(ports)
    for file in files:
        for heaps in work.read(file):
            if summary:
                work.tally(heaps)
            else:
                work.print_records(heaps)
    if summary:
        print(json_line(work.summary(), indent=None if context.as_json else 2))
    elif remark := work.remark():
        context.say(remark)
    if work.faults:
        wanted = "wanted: pcap, pcapng, or one raw NetFlow, IPFIX or sFlow datagram"
        raise WrongUse(work.faults[0], hint=wanted)


class _Inspection:
    """One run over all files."""

    def __init__(self, ports: set[int]) -> None:
        self.decoder = FlowDecoder(_SITE, Limits(counters_every_s=0))
        self.faults: list[str] = []
        self._ports = ports
        self._counts = capture.Counts()
        self._other_ports = 0
        self._number = 0
        self._files: list[str] = []
        self._file_of: dict[int, str] = {}
        self._coverage: list[CoverageEvent] = []
        self._sources: dict[tuple[str, int, int, int], dict[str, Any]] = {}

    def read(self, file: Path) -> Iterator[list[Heap]]:
        """Yield the decoded records of a file, block by block."""
        self._files.append(str(file))
        frames: list[Frame] = []
        try:
            with file.open("rb") as stream:
                for datagram in capture.datagrams(stream, self._counts):
                    if self._ports and datagram.local_port not in self._ports | {0}:
                        self._other_ports += 1
                        continue
                    frames.append(self._frame(datagram))
                    if len(frames) >= _BLOCK:
                        yield self._heaps(frames, file)
                        frames = []
        except Malformed as error:
            self.faults.append(f"{file}: {error}")
        except OSError as error:
            self.faults.append(f"{file}: {error.strerror or error}")
        if frames:
            yield self._heaps(frames, file)

    def _frame(self, datagram: capture.Datagram) -> Frame:
        """A raw file has no time on the wire: its sender's clock is taken as right."""
        wire_ns = datagram.wire_ns
        if wire_ns is None:
            wire_ns = capture.sent_ns(datagram.payload) or 0
        self._number += 1
        return Frame(
            kind=FrameKind.FLOW,
            site=_SITE,
            received_ns=wire_ns,
            wire_ns=wire_ns,
            address=datagram.address,
            port=datagram.port,
            local_port=datagram.local_port,
            payload=datagram.payload,
            number=self._number,
        )

    def _heaps(self, frames: list[Frame], file: Path) -> list[Heap]:
        self._file_of = {frame.number: str(file) for frame in frames}
        counters = self.decoder.counters
        unread = counters.malformed + counters.unsupported
        heaps = self.decoder.heaps(frames)
        events = [event for _, event in self.decoder.coverage()]
        self._coverage += events
        if not frames[0].address and counters.malformed + counters.unsupported > unread:
            notes = [e.note for e in events if e.kind in ("malformed", "unsupported-version")]
            self.faults.append(f"{file}: {notes[0] if notes else 'no flow datagram'}")
        return heaps

    def print_records(self, heaps: list[Heap]) -> None:
        """Print a line of JSON for each record."""
        for record in listing.records(heaps):
            print(json_line(self._line(record)))

    def _line(self, record: Record) -> dict[str, Any]:
        head = record.head
        line: dict[str, Any] = {
            "file": self._file_of.get(record.frame, ""),
            "exporter": head.address,
            "port": head.port,
            "protocol": _NETFLOW[head.version],
            "domain": head.domain,
            "sent": _iso(head.sent_us) if head.sent_us >= 0 else None,
            "template": record.template or None,
            "kind": "option" if record.is_option else "data",
        }
        if record.is_counter:
            line["kind"] = "counters"
        elif record.is_option:
            line["scope"] = record.scope
        else:
            line |= {
                "start": _iso(record.start_us),
                "end": _iso(record.end_us),
                "clock": record.clock,
            }
        return line | {"elements": record.elements}

    def tally(self, heaps: list[Heap]) -> None:
        """Count records by stream."""
        for batch, spread in heaps:
            if batch.log != "flows":
                continue  # the sum of counters stands beside the exporters
            kind = "option_records" if batch.layout.scopes else "records"
            chunks = len(spread.chunks)  # of which some are runs of datagrams
            counts = np.bincount(spread.codes(range(chunks)), minlength=chunks)
            for chunk, count in zip(spread.chunks, counts.tolist(), strict=True):
                head = chunk.head
                key = (head.address, head.port, head.version, head.domain)
                tally = self._sources.setdefault(key, {"records": 0, "option_records": 0})
                tally[kind] += count

    def summary(self) -> dict[str, Any]:
        """Return what was found, as one object."""
        counters = self.decoder.counters
        return {
            "files": self._files,
            **asdict(self._counts),
            "to_other_ports": self._other_ports,
            **asdict(counters),
            "exporters": [self._exporter(*key) for key in self._keys()],
            "undecodable": self._undecodable(),
            "losses": [json.loads(event.to_json()) for event in self._coverage],
        }

    def _keys(self) -> list[tuple[str, int, int, int]]:
        streams = [_shown(stream.key) for stream in self._streams]
        return sorted({*streams, *self._sources})

    @property
    def _streams(self) -> list[Any]:
        return list(self.decoder.streams)

    def _exporter(self, address: str, port: int, version: int, domain: int) -> dict[str, Any]:
        wanted = (address, port, version, domain)
        stream = next((s for s in self._streams if _shown(s.key) == wanted), None)
        tally = self._sources.get(wanted, {})
        templates = stream.templates.items() if stream else ()
        return {
            "exporter": address,
            "port": port,
            "protocol": _NETFLOW[version],
            "domain": domain,
            "records": tally.get("records", 0),
            "option_records": tally.get("option_records", 0),
            "clock_offset_s": stream.exporter.skew.median_us / 1e6 if stream and version else None,
            "templates": [
                {
                    "id": number,
                    "scope": list(layout.names[: layout.scopes]),
                    "fields": list(layout.names[layout.scopes :]),
                }
                for number, layout in templates
            ],
        }

    def _undecodable(self) -> list[dict[str, Any]]:
        """Return the sets whose template never came, by stream and template."""
        found: dict[tuple[Any, ...], dict[str, Any]] = {}
        for waiting in self.decoder.waiting.kept():
            key = waiting.key
            entry = found.setdefault(
                (key, waiting.template),
                {
                    "exporter": key.address,
                    "port": key.port,
                    "protocol": _NETFLOW[key.version],
                    "domain": key.domain,
                    "template": waiting.template,
                    "sets": 0,
                    "bytes": 0,
                },
            )
            entry["sets"] += 1
            entry["bytes"] += len(waiting.body)
        return list(found.values())

    def remark(self) -> str:
        """Return what could not be shown, as one line."""
        parts = list(self.faults[1:])
        if self.decoder.waiting:
            sets = len(self.decoder.waiting)
            parts.append(f"{sets} sets wait for a template that is not in these files")
        return "; ".join(parts)


def _shown(key: StreamKey) -> tuple[str, int, int, int]:
    """Return a stream as it is told: of an sFlow agent by its sub-agent."""
    return key.address, key.port, key.version, key.domain & 0xFFFFFFFF


def _iso(moment_us: int | None) -> str | None:
    if moment_us is None:
        return None
    seconds, micros = divmod(moment_us, 1_000_000)
    moment = datetime.fromtimestamp(seconds, UTC).replace(microsecond=micros)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
