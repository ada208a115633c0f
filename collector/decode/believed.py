"""Lines of syslog that say who signed in: those of senders that the settings believe.

Anyone can write such a line, so by itself it ties nobody to an address. What a believed sender says
waits here until the portal, which knows whose account it is, has made sessions of it. Who else says
such things is counted, so that an admin sees whom there is to believe.

A name that was only claimed (hostapd logs it before the password is asked for) waits for the line
that says that its device got in.
"""

from __future__ import annotations

import ipaddress
from bisect import bisect_right
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from operator import attrgetter
from typing import Any, NamedTuple

from collector.decode.syslog.sign_ins import SignIn
from collector.records import Frame, SignInLine, microseconds, moment
from collector.settings import BelievedSender

MOST = 20_000
"""So many wait for the portal; then the oldest is let go, and counted."""
MOST_CLAIMS = 4096
CLAIM_US = 60_000_000
"""A device gets in so soon after it claimed its name, or not by that name."""
LONGEST = 253
"""Characters of an account: as many as RADIUS can carry octets."""
BELIEVED, STRANGER, FORGEABLE = "believed", "not-believed", "over-udp"
VERDICTS = (BELIEVED, STRANGER, FORGEABLE)
"""What became of a line: it waits for the portal; its sender is not believed; its sender is, but
not over UDP."""
_NO_ACCOUNTS = frozenset(("anonymous", "unknown", "n/a", "-"))
_BINDING = ("start", "update", "stop")


class Teller(NamedTuple):
    """A sender that is believed, as one entry of the settings has it."""

    name: str
    """Its address or the name in its certificate."""
    lasts: timedelta


class Verdict(NamedTuple):
    """What became of one line."""

    source: str
    """The address that it came from."""
    word: str
    """One of `VERDICTS`."""
    time_us: int
    """When it came."""


class Trust:
    """Who is believed at one site."""

    def __init__(self, senders: Iterable[BelievedSender]) -> None:
        self._networks: list[tuple[Any, BelievedSender]] = []
        self._certificates: dict[str, BelievedSender] = {}
        for sender in senders:
            if sender.certificate:
                self._certificates[sender.certificate] = sender
            else:
                self._networks.append((ipaddress.ip_network(sender.address), sender))
        self._networks.sort(key=lambda one: -one[0].prefixlen)

    def of(self, frame: Frame) -> tuple[str, Teller | None]:
        """Return the verdict on a line's sender, and who it is if it is believed.

        Lines that were taken in from a file (`prathu ingest`) are not: their sender is whatever was
        written on the command line.
        """
        if frame.label:
            return STRANGER, None
        named = self._certificates.get(frame.sender_name) if frame.transport == "tls" else None
        if named is not None:
            return BELIEVED, Teller(frame.sender_name, timedelta(hours=named.hours))
        try:
            address = ipaddress.ip_address(frame.address)
        except ValueError:
            return STRANGER, None
        for network, sender in self._networks:
            if address.version == network.version and address in network:
                if frame.transport == "udp" and not sender.udp:
                    return FORGEABLE, None
                return BELIEVED, Teller(frame.address, timedelta(hours=sender.hours))
        return STRANGER, None


class Believed:
    """What believed senders of one site said, until the portal has it."""

    def __init__(
        self,
        site: str,
        senders: Iterable[BelievedSender] = (),
        *,
        inside: Callable[[str], bool] = bool,
    ) -> None:
        """Begin with nothing.

        Args:
            site: Whose lines these are.
            senders: Who is believed, at any site.
            inside: Whether an address is one of the site's: of another nobody there is the holder.
        """
        self.lost = 0
        """Let go because the portal did not come for them."""
        self.nowhere = 0
        """Of believed senders, but neither on an inside address nor of a device."""
        self._site = site
        self._inside = inside
        self._trust = Trust(sender for sender in senders if sender.site == site)
        self._waiting: deque[SignInLine] = deque()
        self._claims: OrderedDict[tuple[str, str], tuple[str, int]] = OrderedDict()
        """Sender and MAC: the account that it claimed, and when, µs."""

    def __len__(self) -> int:
        return len(self._waiting)

    def take(self, told: Sequence[SignIn], frames: Sequence[Frame]) -> list[Verdict]:
        """Take sign-ins in; return what became of each, but of mere claims.

        Args:
            told: In the order of their frames.
            frames: Those that they came in, and perhaps others, in order.
        """
        verdicts = []
        for sign_in in told:
            # Of many lines in a frame, each has a number of its own.
            frame = frames[bisect_right(frames, sign_in.frame, key=attrgetter("number")) - 1]
            word, teller = self._trust.of(frame)
            if sign_in.event != "claim":
                verdicts.append(Verdict(frame.address, word, frame.received_ns // 1000))
            if teller is not None:
                self._hear(sign_in, frame, teller)
        return verdicts

    def after(self, position: int, received_us: int, most: int) -> list[SignInLine]:
        """Forget what the portal has, and return what is next.

        Args:
            position: Of the newest line that it has.
            received_us: When the latest of those came: positions begin anew with a new spool.
            most: So many at most.
        """
        while self._waiting and self._waiting[0].position <= position:
            if microseconds(self._waiting[0].received) > received_us:
                break
            self._waiting.popleft()
        return [self._waiting[at] for at in range(min(most, len(self._waiting)))]

    def snapshot(self) -> dict[str, Any]:
        """Return the state as JSON values."""
        return {
            "waiting": [line.to_json().decode() for line in self._waiting],
            "claims": [[*key, *claim] for key, claim in self._claims.items()],
            "counts": [self.lost, self.nowhere],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `snapshot` returned.

        Raises:
            ValueError, KeyError, TypeError: it is damaged.
        """
        waiting = deque(SignInLine.from_json(text) for text in state["waiting"])
        claims = OrderedDict(
            ((str(sender), str(mac)), (str(account), int(time)))
            for sender, mac, account, time in state["claims"]
        )
        self.lost, self.nowhere = (int(count) for count in state["counts"])
        self._waiting, self._claims = waiting, claims

    def _hear(self, sign_in: SignIn, frame: Frame, teller: Teller) -> None:
        account = _account(sign_in.account)
        key = (teller.name, sign_in.mac)
        if sign_in.event == "claim":
            self._claim(key, account, sign_in.time_us)
            return
        if sign_in.event == "start" and not account:
            account, since = self._claims.pop(key, ("", 0))
            if not 0 <= sign_in.time_us - since <= CLAIM_US:
                account = ""
        if sign_in.event not in _BINDING or (sign_in.event != "stop" and not account):
            return
        inside = sign_in.address and self._inside(sign_in.address)
        address = sign_in.address if inside else ""
        if not (address or sign_in.mac or (sign_in.event == "stop" and account)):
            self.nowhere += 1
            return
        lasted = sign_in.duration_ms
        self._wait(
            SignInLine(
                position=sign_in.frame,
                received=moment(frame.received_ns // 1000),
                time=moment(sign_in.time_us),
                site=self._site,
                event=sign_in.event,
                sender=teller.name,
                vendor=sign_in.vendor,
                account=account,
                address=address,
                mac=sign_in.mac,
                lasts_s=int(teller.lasts.total_seconds()),
                duration_s=None if lasted is None else lasted // 1000,
            )
        )

    def _claim(self, key: tuple[str, str], account: str, time_us: int) -> None:
        self._claims.pop(key, None)
        if account and key[1]:
            self._claims[key] = (account, time_us)
            if len(self._claims) > MOST_CLAIMS:
                self._claims.popitem(last=False)

    def _wait(self, line: SignInLine) -> None:
        self._waiting.append(line)
        if len(self._waiting) > MOST:
            self._waiting.popleft()
            self.lost += 1


def _account(told: str) -> str:
    """Return the name of an account; nothing for what names nobody, or nobody could bear."""
    account = told.strip()[:LONGEST]
    nobody = account.casefold().partition("@")[0] in _NO_ACCOUNTS
    return "" if nobody or not account.isprintable() else account
