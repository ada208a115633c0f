"""The box's own address outside, over time, and whether it is translated again further out."""

from __future__ import annotations

import http.client
import ipaddress
import logging
import socket
import threading
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import Future

from collector.decode.neighbours import RTM_GETADDR
from collector.decode.uplinks import translated_again
from collector.errors import Malformed
from collector.records import CoverageEvent, LeaseEvent, moment
from collector.settings import Uplink
from collector.watch import kernel

LOOK_NS = 5 * 10**9
AGAIN_NS = 3600 * 10**9
"""What stays as it is is told again after so long."""
ALARM_NS = 24 * 3600 * 10**9
ASK_NS = 600 * 10**9
ASK_S = 10.0
_LONGEST_ANSWER = 1024
_log = logging.getLogger(__name__)

Ask = Callable[[str], str]
"""Returns the address that a page says it was asked from; OSError where it says none."""


def ask(url: str) -> str:
    """Ask a page for the address that asks.

    Raises:
        OSError: it does not answer, or not with an address.
    """
    wanted = urllib.request.Request(url, headers={"User-Agent": "prathu"})  # noqa: S310  # http(s)
    try:
        with urllib.request.urlopen(wanted, timeout=ASK_S) as page:  # noqa: S310  # as above
            text = page.read(_LONGEST_ANSWER).decode("ascii", errors="replace").strip()
        return str(ipaddress.ip_address(text))
    except (ValueError, http.client.HTTPException) as error:
        raise OSError(f"no address in its answer: {error}") from error


class UplinkWatch:
    """One uplink."""

    def __init__(self, settings: Uplink, *, ask: Ask = ask) -> None:
        self._settings = settings
        self._ask = ask
        self._known: dict[str, tuple[str, int]] = {}
        """By address: what the outside sees, and when it was last told."""
        self._looked_ns = self._asked_ns = self._alarmed_ns = 0
        self._alarmed = ""
        self._outside = ""
        self._first = True
        self._asking: Future[str] | None = None

    def look(self, now_ns: int) -> Iterator[LeaseEvent | CoverageEvent]:
        """Give what changed since last looked."""
        if abs(now_ns - self._looked_ns) < LOOK_NS:
            return
        self._looked_ns = now_ns
        own = self._own()
        if set(own) != self._known.keys():
            self._outside, self._asked_ns = "", 0
        self._hear(now_ns)
        for gone in sorted(self._known.keys() - set(own)):
            del self._known[gone]
            yield self._told("release", gone, "", now_ns)
        for ip in own:
            yield from self._one(ip, now_ns)
        self._first = False
        yield from self._alarm(own, now_ns)

    def _own(self) -> list[str]:
        """Return the interface's addresses; none where it is not there."""
        try:
            link = socket.if_nametoindex(self._settings.interface)
            tables = kernel.dump(RTM_GETADDR)
        except (OSError, Malformed):
            return []
        return sorted({own.ip for table in tables for own in table.own if own.link == link})

    def _one(self, ip: str, now_ns: int) -> Iterator[LeaseEvent]:
        outside = self._outside if (":" in self._outside) == (":" in ip) else ""
        known = self._known.get(ip)
        if known is None or known[0] != outside or now_ns - known[1] >= AGAIN_NS:
            word = "seen" if known is not None or self._first else "add"
            self._known[ip] = (outside, now_ns)
            yield self._told(word, ip, outside, now_ns)

    def _told(self, word: str, ip: str, outside: str, now_ns: int) -> LeaseEvent:
        return LeaseEvent(
            time=moment(now_ns // 1000),
            site=self._settings.site,
            kind="uplink",
            event=word,
            ip=ip,
            nat_ip=outside,
            interface=self._settings.interface,
        )

    def _hear(self, now_ns: int) -> None:
        """Ask the page, where one is set, now and then, without waiting for it."""
        if self._asking is not None and self._asking.done():
            try:
                self._outside = self._asking.result()
            except OSError as error:
                _log.warning("%s: %s", self._settings.ask, error)
            self._asking = None
        due = not self._asked_ns or now_ns - self._asked_ns >= ASK_NS
        if self._settings.ask and self._asking is None and due:
            self._asked_ns = now_ns
            self._asking = _begun(self._ask, self._settings.ask)

    def _alarm(self, own: list[str], now_ns: int) -> Iterator[CoverageEvent]:
        """Tell of double NAT when it begins, when it changes, and once a day."""
        told = {ip: translated_again(ip, self._known[ip][0]) for ip in own}
        why = "; ".join(each for each in told.values() if each)
        if why == self._alarmed and (not why or now_ns - self._alarmed_ns < ALARM_NS):
            return
        self._alarmed, self._alarmed_ns = why, now_ns
        if why:
            yield CoverageEvent(
                time=moment(now_ns // 1000),
                end=moment(now_ns // 1000),
                site=self._settings.site,
                kind="double-nat",
                source=self._settings.interface,
                note=f"{why}: somebody upstream translates again; bridge mode would end it",
            )


def _begun(ask: Ask, url: str) -> Future[str]:
    """Ask in a thread that nobody waits for: a page may give its answer a byte a minute."""
    asked: Future[str] = Future()

    def run() -> None:
        try:
            asked.set_result(ask(url))
        except BaseException as error:  # noqa: BLE001  # raised where the answer is taken
            asked.set_exception(error)

    threading.Thread(target=run, name="uplink", daemon=True).start()
    return asked
