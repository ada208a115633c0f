"""`prathu ingest`: captures and syslog files through the whole way of the data."""

from __future__ import annotations

import base64
import hashlib
import json
import sys
from collections.abc import Callable, Iterator
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import Annotated, BinaryIO

import typer
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from appliance import settings as box_settings
from appliance.cli import away, offline, report
from appliance.cli.context import Context, error_console, wall_clock
from appliance.errors import WrongUse
from appliance.settings import BoxSettings
from collector import durable
from collector.control import ask
from collector.decode import capture
from collector.errors import Malformed
from collector.records import Frame, FrameKind
from collector.spool import SpoolWriter

BLOCK = 1000
"""Frames handed over together; each block is durable before the next is read."""
LINE_BYTES = 64 << 10
"""A longer line is cut into pieces of this size, none lost."""
ASK_S = 300.0
INGESTED = Path("state", "ingested")
Take = Callable[[list[Frame]], None]


class Log(StrEnum):
    """What a file can be taken as."""

    flows = "flows"
    events = "events"


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(ingest)


def ingest(
    ctx: typer.Context,
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Captures, or log files.")],
    log: Annotated[Log, typer.Option(help="flows: NetFlow, IPFIX or sFlow; events: syslog.")],
    site: Annotated[str, typer.Option(help="Whose it is; needed when there are several.")] = "",
    again: Annotated[
        bool, typer.Option("--again", help="Take a file that was taken before.")
    ] = False,
) -> None:
    """Take files in as if they came from the network: `received` is now, `source` says which file.

    The packet times of a capture stand for the time on the wire.
    """
    context: Context = ctx.obj
    settings = box_settings.load(context.home)
    site = _site(settings, site)
    digests = {path: _digest(context.home, path, again=again) for path in files}
    report.act(context.home, settings, "ingest", target=" ".join(path.name for path in files))
    live = offline.running(context.home, "receive")
    with _progress(context) as progress:
        for path in files:
            bar = progress.add_task(path.name, total=max(path.stat().st_size, 1))
            with path.open("rb") as file, _Taker(context.home, settings, live=live) as take:
                count, fault = _take_file(file, log, site, take, (progress, bar))
            if count:
                _remember(context.home, digests[path], path, count)
            context.show({"file": str(path), "frames": count, "log": log.value, "site": site})
            if fault:
                raise WrongUse(f"{path}: {fault}", hint=f"the {count} frames before were taken")
    if not offline.running(context.home, "seal"):
        offline.seal_spool(context.home, settings)


def _site(settings: BoxSettings, wanted: str) -> str:
    known = [site.id for site in settings.sites]
    if wanted in known:
        return wanted
    if wanted or len(known) > 1:
        raise WrongUse(f"--site {wanted!r} is not a site here", hint=f"known: {', '.join(known)}")
    return known[0]


def _digest(home: Path, path: Path, *, again: bool) -> str:
    """Return the hash of a file, refusing one that was taken before."""
    if not path.is_file():
        what = "is not a file" if path.exists() else "is not there"
        raise WrongUse(f"{path} {what}", hint="give captures or log files, one or more")
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    told = home / INGESTED / digest
    if told.exists() and not again:
        before = json.loads(told.read_bytes())
        raise WrongUse(
            f"{path} was taken before, as {before['file']}",
            hint="prathu ingest --again takes it once more",
        )
    return digest


def _remember(home: Path, digest: str, path: Path, count: int) -> None:
    durable.make_dir(home / INGESTED)
    told = {"file": path.name, "frames": count, "time_ns": wall_clock()}
    durable.replace(home / INGESTED / digest, json.dumps(told, ensure_ascii=False).encode())


def _progress(context: Context) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeRemainingColumn(),
        console=error_console(),
        disable=context.quiet or not sys.stderr.isatty(),
    )


class _Taker:
    """Hands frames to the receiving process, or writes the spool itself when there is none."""

    def __init__(self, home: Path, settings: BoxSettings, *, live: bool) -> None:
        self._home = home
        self._sites = settings.sites
        self._away_ns = 0
        self._spool = (
            None if live else SpoolWriter(home / "spool", settings.spool, clock=wall_clock)
        )

    def __enter__(self) -> Take:
        if self._spool is not None:
            self._spool.open()
            self._away_ns = self._spool.last_ns
            self._tell_away()
            return self._append
        return self._hand_over

    def __exit__(self, *_: object) -> None:
        if self._spool is not None:
            try:
                self._tell_away()
            finally:
                self._spool.close()

    def _tell_away(self) -> None:
        """Cover what passed unseen until now; frames taken from a file are nobody's listening."""
        assert self._spool is not None  # noqa: S101  # __enter__ chose this way
        since_ns, self._away_ns = self._away_ns, wall_clock()
        away.tell(self._spool, self._sites, since_ns=since_ns, now_ns=self._away_ns)

    def _append(self, frames: list[Frame]) -> None:
        assert self._spool is not None  # noqa: S101  # __enter__ chose this way
        last = -1
        for frame in frames:
            last = self._spool.append(frame)
        self._spool.wait_durable(last)

    def _hand_over(self, frames: list[Frame]) -> None:
        told = [
            {
                "kind": frame.kind.name.lower(),
                "site": frame.site,
                "wire_ns": frame.wire_ns,
                "address": frame.address,
                "port": frame.port,
                "local_port": frame.local_port,
                "label": frame.label,
                "transport": frame.transport,
                "payload": base64.b64encode(frame.payload).decode("ascii"),
            }
            for frame in frames
        ]
        ask(self._home / "run" / "receive.sock", {"do": "frames", "frames": told}, timeout=ASK_S)


def _take_file(
    file: BinaryIO, log: Log, site: str, take: Take, shown: tuple[Progress, TaskID]
) -> tuple[int, str]:
    """Take a file in blocks; return the number of frames and what was wrong with the rest."""
    progress, bar = shown
    frames = _flows(file, site) if log is Log.flows else _events(file, site)
    count = 0
    while True:
        block: list[Frame] = []
        fault = ""
        try:
            block.extend(islice(frames, BLOCK))
        except Malformed as error:
            fault = str(error)
        if block:
            take(block)
        count += len(block)
        progress.update(bar, completed=file.tell())
        if fault or len(block) < BLOCK:
            return count, fault


def _flows(file: BinaryIO, site: str) -> Iterator[Frame]:
    for datagram in capture.datagrams(file, capture.Counts()):
        wire_ns = datagram.wire_ns
        if wire_ns is None:  # one raw datagram: only its header says when it was sent
            wire_ns = capture.sent_ns(datagram.payload)
        if wire_ns is None:
            raise Malformed("neither a capture nor a datagram of NetFlow, IPFIX or sFlow")
        yield Frame(
            kind=FrameKind.FLOW,
            site=site,
            received_ns=wall_clock(),
            wire_ns=wire_ns,
            address=datagram.address,
            port=datagram.port,
            local_port=datagram.local_port,
            label=_label(file),
            payload=datagram.payload,
        )


def _events(file: BinaryIO, site: str) -> Iterator[Frame]:
    """Give a frame for each line; the file's own time decides which year a line means."""
    wire_ns = Path(file.name).stat().st_mtime_ns
    while line := file.readline(LINE_BYTES):
        payload = line.rstrip(b"\r\n")
        if payload:
            yield Frame(
                kind=FrameKind.SYSLOG,
                site=site,
                received_ns=wall_clock(),
                wire_ns=wire_ns,
                label=_label(file),
                transport="local",
                payload=payload,
            )


def _label(file: BinaryIO) -> str:
    return Path(file.name).name[:100]
