"""How it stands with NASes: what the portal last wrote of them, made fit for a page. Pure but one.

What stands in the file was made of packets: whatever is not of the form that it has is left out.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from collector import durable

STATUS = Path("run") / "portal.json"
KNOWN = frozenset(
    (
        *("chap-needs-a-clear-password", "mschap-needs-an-nt-hash", "mschap-of-first-version"),
        *("wrong-password", "unknown-account", "account-closed", "password-to-be-changed"),
        *("hours", "quota-day", "quota-month", "quota-minutes", "devices", "too-often"),
        *("wrong-network", "wrong-port-type", "mac-not-listed", "mac-of-no-maker"),
        *("mac-of-a-pupil", "mac-of-another-device", "mac-of-nobody-known", "no-credential"),
    )
)
"""Refusals that the page has a sentence for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Nas:
    """One NAS, by the address that it sends from."""

    source: str
    accepted: int
    refused: int
    waiting: int
    """Sessions that it is to be told of."""
    mute: bool
    confirmed: int
    """Ends and changes."""
    declined: tuple[tuple[str, int], ...]
    """Error-Cause, and how often."""
    unanswered: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why people were refused, and how often."""

    reason: str
    count: int
    sources: tuple[str, ...]

    @property
    def known(self) -> bool:
        """Whether there is a sentence about it."""
        return self.reason in KNOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class Late:
    """A refusal of somebody known."""

    at_us: int
    account: str
    nas: str
    mac: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """All of it."""

    running: bool
    nases: tuple[Nas, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    latest: tuple[Late, ...] = ()
    untold: int = 0
    """Orders that were given up, because too many waited."""


def read(home: Path) -> Standing:
    """Return how it stands; blocks for a moment."""
    try:
        told = json.loads(durable.read_plain(home / STATUS))
    except (OSError, ValueError):
        return Standing(running=False)
    return standing(told)


def standing(told: Any) -> Standing:  # noqa: ANN401  # JSON of any form
    """Return how it stands by what the portal wrote."""
    asked = _counts(_of(told, "radius_authentication"))
    sent = _counts(_of(_of(told, "radius_orders"), "sent"))
    waiting = {str(nas): value for nas, value in _of(told, "nas_waiting").items()}
    sources = sorted({*asked, *sent, *waiting} - {""})
    return Standing(
        running=True,
        nases=tuple(_nas(one, asked, sent, waiting) for one in sources),
        refusals=tuple(_refusals(asked)),
        latest=tuple(_latest(told)),
        untold=_number(told.get("nas_untold") if isinstance(told, dict) else 0),
    )


def _of(told: Any, name: str) -> Mapping[str, Any]:  # noqa: ANN401  # as above
    found = told.get(name) if isinstance(told, dict) else None
    return found if isinstance(found, dict) else {}


def _number(value: object) -> int:
    return value if isinstance(value, int) and value >= 0 else 0


def _counts(told: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    return {
        str(source): {str(what): _number(count) for what, count in counts.items()}
        for source, counts in told.items()
        if isinstance(counts, dict)
    }


def _nas(
    source: str,
    asked: Mapping[str, Mapping[str, int]],
    sent: Mapping[str, Mapping[str, int]],
    waiting: Mapping[str, Any],
) -> Nas:
    came, went = asked.get(source, {}), sent.get(source, {})
    declined: Counter[str] = Counter()
    for what, count in went.items():
        if "nak " in what:
            declined[what.rpartition(" ")[2]] += count
    silent = ("no-answer", "unreachable", "coa-no-answer", "coa-unreachable")
    return Nas(
        source=source,
        accepted=came.get("accept", 0) + came.get("eap-accept", 0),
        refused=sum(count for what, count in came.items() if what.startswith("reject ")),
        waiting=_number(_of(waiting, source).get("waiting")),
        mute=_of(waiting, source).get("mute") is True,
        confirmed=went.get("ack", 0) + went.get("coa-ack", 0),
        declined=tuple(declined.most_common()),
        unanswered=sum(went.get(what, 0) for what in silent),
    )


def _refusals(asked: Mapping[str, Mapping[str, int]]) -> Iterator[Refusal]:
    total: Counter[str] = Counter()
    where: dict[str, list[str]] = {}
    for source, counts in asked.items():
        for what, count in counts.items():
            if what.startswith("reject "):
                reason = what.partition(" ")[2]
                total[reason] += count
                where.setdefault(reason, []).append(source)
    for reason, count in total.most_common():
        yield Refusal(reason=reason, count=count, sources=tuple(sorted(where[reason])))


def _latest(told: Any) -> Iterator[Late]:  # noqa: ANN401  # as above
    found = told.get("radius_refused") if isinstance(told, dict) else None
    for one in reversed(found if isinstance(found, list) else []):
        if isinstance(one, dict):
            yield Late(
                at_us=_number(one.get("at_ns")) // 1000,
                **{name: str(one.get(name, "")) for name in ("account", "nas", "mac", "reason")},
            )
