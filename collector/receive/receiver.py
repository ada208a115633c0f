"""The receiving process: opens the spool and the sockets, and watches over their threads."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Callable
from ipaddress import ip_network
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from collector import durable
from collector.control import ControlServer
from collector.errors import CollectorError, SpoolFull
from collector.metrics import SampledLog
from collector.receive import sockets, tls
from collector.receive.accounts import Account, Accounts
from collector.receive.admission import Admission
from collector.receive.connection import Speech, either, ipfix, syslog
from collector.receive.conntrack import ConntrackSocket, listen_to_kernel
from collector.receive.dam import Dam
from collector.receive.drops import HostDrops
from collector.receive.local import LocalDoor
from collector.receive.losses import Losses, coverage
from collector.receive.stream import StreamServer
from collector.receive.udp import Parts, UdpPort
from collector.receive.unix import UnixSocket
from collector.records import Clock, CoverageEvent, FrameKind, moment
from collector.settings import CollectorSettings, Listen, LocalSyslog
from collector.spool import SpoolWriter, size_bytes

WATCH_S = 1.0
"""Kernel drops are looked for so often."""
COVERAGE_S = 10.0
"""Losses are written down so often, and at stopping."""

MOST_SOCKETS = 4
"""That share a port, when the settings do not say how many."""
_STREAMS = ("tcp", "tls", "ipfix_tcp", "ipfix_tls")
"""Servers of streams: of syslog, then of IPFIX."""
_SHOWN = 100
"""Senders and strangers in the status."""

_log = logging.getLogger(__name__)


class Receiver:
    """Takes what comes in on all sockets of the settings into the spool of `home`."""

    def __init__(self, home: Path, settings: CollectorSettings, *, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._home = home
        self._run_folder = home / "run"
        self._spool_folder = home / "spool"
        self._spool = SpoolWriter(self._spool_folder, settings.spool, clock=clock, fatal=self._fail)
        self._losses = Losses(self._spool.append, clock=clock)
        self._accounts = Accounts(settings.limits, self._spool)
        self._parts = Parts(
            append=self._spool.append,
            append_all=self._spool.append_all,
            admission=Admission(settings.exporters, self._accounts, clock=clock),
            accounts=self._accounts,
            losses=self._losses,
            log=SampledLog(_log),
            clock=clock,
            failed=self._fail,
        )
        networks = [ip_network(exporter.address) for exporter in settings.exporters]
        self._dam = Dam(self._accounts, self._parts.admission.strangers, networks)
        sites = {site.id for site in settings.sites}
        kept = bool(settings.names.reason)
        self._door = LocalDoor(self._spool, sites, clock=clock, names=kept)
        self._control = ControlServer(
            self._run_folder / "receive.sock",
            {**self._door.handlers(), "status": lambda _: self.status()},
        )
        self._host = HostDrops()
        self._udp: list[UdpPort] = []
        self._streams: dict[str, StreamServer] = {}
        """By the name that the status has for each."""
        self._tls = tls.Keeper(home, settings.syslog_tls, clock=clock)
        self._speaks_tls = bool(settings.listen.syslog_tls or settings.listen.ipfix_tls)
        self._conntrack: ConntrackSocket | None = None
        self._unix: UnixSocket | None = None
        self._watcher = threading.Thread(target=self._watch, name="receive-watch", daemon=True)
        self._stopping = threading.Event()
        self._over = threading.Event()
        self._failure: CollectorError | None = None
        self._undo: list[Callable[[], None]] = []
        self._started_ns = self._told_ns = 0

    def start(self) -> None:
        """Open the spool and every socket, and receive.

        Raises:
            Busy: another process receives in this home.
            CollectorError: a port is taken, or the spool is damaged.
        """
        try:
            self._start()
        except BaseException:
            self._stop()
            raise

    def wait(self, timeout_s: float | None = None) -> bool:
        """Sleep until stopped; return False when the time is over first.

        Raises:
            CollectorError: receiving failed; let the process end.
        """
        over = self._over.wait(timeout_s)
        if self._failure:
            raise self._failure
        return over

    def stop(self) -> None:
        """Take what has arrived, make it durable, and close everything.

        Raises:
            CollectorError: what came last could not be written.
        """
        self._stop()
        if self._failure:
            raise self._failure

    def status(self) -> dict[str, Any]:
        """Return the counts of every socket, unknown senders, and how far the spool is."""
        return {
            "started_ns": self._started_ns,
            "spool": {
                "head": self._spool.head,
                "durable": self._spool.durable,
                "full": self._spool.full,
                "waiting_bytes": self._spool.waiting_bytes,
                "most_waiting_bytes": self._spool.most_bytes,
            },
            "udp": [each.status() for each in self._udp],
            **{name: self._stream_status(name) for name in _STREAMS},
            "conntrack": self._conntrack.status() if self._conntrack else {},
            "unix": self._unix.status() if self._unix else {},
            "local": {"events": self._door.events, "frames": self._door.frames},
            "refused": self._parts.admission.strangers.refused,
            "unknown_senders": [
                {name: getattr(stranger, name) for name in stranger.__slots__}
                for stranger in self._parts.admission.strangers.listed()[:_SHOWN]
            ],
            "held_back": self._dam.status(),
            "host_drops": self._host.status(),
            "senders": [_shown(account) for account in self._busiest()],
        }

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop."""
        self.stop()

    def _start(self) -> None:
        durable.make_dir(self._run_folder, 0o770)
        self._spool.open()
        self._undo.append(self._spool.close)
        self._open_sockets()
        self._tell_restart()
        for each in self._udp:
            each.start()
        for stream in self._streams.values():
            stream.start()
        for more in (self._conntrack, self._unix):
            if more:
                more.start()
        self._control.start()
        self._undo.append(self._control.stop)
        self._watcher.start()

    def _stop(self) -> None:
        """Undo in reverse order, each part even if another cannot be."""
        self._stopping.set()
        for each in self._udp:
            each.finish()  # all at once: each may take a moment to look up
        if self._watcher.is_alive():
            self._watcher.join()
        while self._undo:
            try:
                self._undo.pop()()
            except CollectorError as error:
                self._fail(error)
        self._over.set()

    def _open_sockets(self) -> None:
        listen, extra = self._settings.listen, self._parts.admission.ports
        udp: list[tuple[sockets.Endpoint, FrameKind | None]] = [
            *((sockets.endpoint(text), FrameKind.FLOW) for text in listen.flows),
            *((sockets.endpoint(text), FrameKind.SYSLOG) for text in listen.syslog_udp),
        ]
        udp += [(at, None) for at in _also([at for at, _ in udp], extra)]
        self._undo.append(self._write_down)
        for at, kind in udp:
            opened = sockets.open_udp(
                at,
                count=listen.udp_sockets or min(os.cpu_count() or 1, MOST_SOCKETS),
                buffer_bytes=listen.receive_buffer,
                beside=[other for other, _ in udp],
            )
            each = UdpPort(opened, kind, self._sites_at(opened[0]), self._parts)
            self._udp.append(each)
            self._dam.add(each.sockets)
            self._undo.append(each.stop)
        self._open_streams(listen, extra)
        if self._settings.conntrack.enabled:
            site = self._settings.conntrack.site or self._settings.sites[0].id
            kernel = listen_to_kernel(self._settings.conntrack)
            self._conntrack = ConntrackSocket(kernel, site, self._parts)
            self._undo.append(self._conntrack.stop)
        if self._settings.local_syslog.path:
            self._open_unix(self._settings.local_syslog)

    def _open_unix(self, local: LocalSyslog) -> None:
        """Listen for syslog of programs on this machine."""
        site = local.site or self._settings.sites[0].id
        self._unix = UnixSocket(self._home / local.path, site, local, self._parts)
        self._undo.append(self._unix.stop)
        self._unix.open()

    def _open_streams(self, listen: Listen, extra: list[int]) -> None:
        """Listen for syslog and IPFIX over TCP and TLS."""
        wanted: dict[str, list[tuple[sockets.Endpoint, Speech]]] = {
            "tcp": [(sockets.endpoint(text), syslog) for text in listen.syslog_tcp],
            "tls": [(sockets.endpoint(text), syslog) for text in listen.syslog_tls],
            "ipfix_tcp": [(sockets.endpoint(text), ipfix) for text in listen.ipfix_tcp],
            "ipfix_tls": [(sockets.endpoint(text), ipfix) for text in listen.ipfix_tls],
        }
        plain = [at for name in ("tcp", "ipfix_tcp") for at, _ in wanted[name]]
        wanted["tcp"] += [(at, either) for at in _also(plain, extra)]
        secure = self._tls.take() if self._speaks_tls else None
        for name, places in wanted.items():
            if not places and name != "tcp":
                continue
            context = secure if name.endswith("tls") else None
            speaks = "ipfix" if name.startswith("ipfix") else "syslog"
            server = self._streams[name] = StreamServer(self._parts, context=context, name=speaks)
            self._undo.append(server.stop)
            for at, speech in places:
                server.add(sockets.open_tcp(at, beside=[other for other, _ in places]), speech)

    def _stream_status(self, name: str) -> dict[str, object]:
        server = self._streams.get(name)
        if server is None:
            return {}
        return server.status() | (self._tls.fingerprints if name.endswith("tls") else {})

    def _renew_tls(self) -> None:
        """Take up certificates that were changed, for connections from now on."""
        made = self._tls.changed() if self._speaks_tls else None
        for name in self._streams if made else ():
            if made and name.endswith("tls"):
                self._streams[name].renew(made)

    def _sites_at(self, opened: socket.socket) -> list[str]:
        """Return the sites whose datagrams come through a socket."""
        port = opened.getsockname()[1]
        exporters = self._settings.exporters
        there = {e.site for e in exporters if e.port == port} or {
            e.site for e in exporters if e.port is None
        }
        return sorted(there or {site.id for site in self._settings.sites})

    def _tell_restart(self) -> None:
        """Write down, for every site, since when nobody listened, and what the spool lost."""
        self._started_ns = self._told_ns = now = self._clock()
        repaired = self._spool.repaired
        if repaired:
            _log.warning("%s", repaired)
        since = min(self._spool.last_ns, now)
        try:
            for site in self._settings.sites:
                restart = CoverageEvent(
                    time=moment(since // 1000),
                    end=moment(now // 1000),
                    site=site.id,
                    kind="restart",
                    note=str(repaired or ""),
                )
                self._spool.append(coverage(restart, received_ns=now))
                if repaired and repaired.lost:
                    lost = CoverageEvent(
                        time=moment(since // 1000),
                        end=moment(now // 1000),
                        site=site.id,
                        kind="spool-damage",
                        lost=repaired.lost,
                        unit="frames",
                        note=str(repaired),
                    )
                    self._spool.append(coverage(lost, received_ns=now))
        except SpoolFull as error:
            self._parts.log.warn("disk full", str(error))

    def _busiest(self) -> list[Account]:
        """Return those senders first of whom something was refused, then those that sent most."""
        listed = self._accounts.listed()
        return sorted(listed, key=lambda a: (-sum(a.refusals), -a.bytes))[:_SHOWN]

    def _watch(self) -> None:
        """Look for kernel drops and write down losses, until stopped."""
        due = WATCH_S
        while not self._stopping.wait(WATCH_S):
            try:
                self._count_drops()
                self._review()
                due += WATCH_S
                if due >= COVERAGE_S:
                    due = 0.0
                    self._write_down()
                    self._renew_tls()
            except CollectorError as error:
                self._fail(error)
                return

    def _count_drops(self) -> None:
        """Write down what the kernel dropped, and hold back whoever floods it."""
        drops = [(each, each.new_drops()) for each in self._udp]
        whole = sum(count for _, count in drops)
        rest = self._dam.tick(whole)
        for each, count in drops:
            each.tell_drops(-(-count * rest // whole) if whole else 0)

    def _review(self) -> None:
        """Find out who holds too much of the spool's disk."""
        self._parts.admission.tidy()
        disk = os.statvfs(self._spool_folder)
        self._accounts.review(
            spool_bytes=size_bytes(self._spool_folder),
            disk_bytes=disk.f_bavail * disk.f_frsize - self._settings.spool.least_free_bytes,
            mark_bytes=self._settings.spool.mark_bytes,
        )

    def _write_down(self) -> None:
        """Turn all that was refused or lost since the last time into coverage."""
        since, self._told_ns = self._told_ns, self._clock()
        self._host.tell(self._losses, [site.id for site in self._settings.sites])
        self._accounts.write_down(self._losses, since)
        self._parts.admission.strangers.write_down(self._losses, self._settings.sites)
        self._losses.flush()

    def _fail(self, error: CollectorError) -> None:
        """Remember the first failure and wake up whoever waits: the process is to end."""
        if self._failure is None:
            self._failure = error
            _log.error("%s", error)
        self._over.set()


def _also(known: list[sockets.Endpoint], ports: list[int]) -> list[sockets.Endpoint]:
    """Return the endpoints to open for single exporters, on every address we listen on."""
    hosts = sorted({host for host, _ in known})
    return [(host, port) for host in hosts for port in ports if (host, port) not in known]


def _shown(account: Account) -> dict[str, object]:
    """Return what the status tells of a sender."""
    names = ("name", "site", "datagrams", "bytes", "heard_ns")
    refused = ("fast", "crowded", "hoarded", "dammed")
    held_s = account.pace.held_s(time.monotonic()) if account.pace else 0.0
    told = {name: getattr(account, name) for name in (*names, *refused)}
    return {**told, "held_s": round(held_s, 3)}
