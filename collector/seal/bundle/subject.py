"""One person's rows kept in a bundle of their own; their segments may then go when due."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from collector.seal.bundle import history
from collector.seal.bundle.order import Order, Told
from collector.seal.bundle.pack import Keys, Packed, Progress, pack


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Whose rows are kept, and on whose word."""

    hold: str
    """Id of the hold; it is the bundle's case."""
    site: str
    subject: str
    """The person, by id."""
    logs: Sequence[str]
    """Logs whose rows are sorted by person."""
    from_us: int
    to_us: int
    """Time of receipt, half open; the ledger must cover it for all logs."""
    actor: str
    """Id of who placed the hold."""


def keep_subject(
    home: Path,
    wanted: Subject,
    *,
    keys: Keys,
    out: Path,
    now_us: int,
    tell: Progress = lambda *_: None,
) -> Packed:
    """Write a person's whole groups, with both neighbours, of all segments of a period.

    Names, hosts and such are kept too: what a court asks for later cannot be foreseen.

    Args:
        home: The home.
        wanted: Whose rows.
        keys: Gives segment keys.
        out: The bundle, not encrypted: the caller encrypts it to the hold key, keeps that, and
            takes this one away.
        now_us: The time now.
        tell: Told how far it is.

    Raises:
        As `pack`.
    """
    order = Order(
        case=wanted.hold,
        site=wanted.site,
        levels=dict.fromkeys(wanted.logs, "C1"),
        from_us=wanted.from_us,
        to_us=wanted.to_us,
        subject=wanted.subject,
        told=Told(
            recipient="hold",
            approver=wanted.actor,
            exporter="box",
            asked_us=now_us,
            approved_us=now_us,
            query={"english": "kept by a legal hold", "thai": "เก็บรักษาไว้ตามคำสั่ง"},
        ),
    )
    frozen, _ = history.freeze(home, order, now_us)
    return pack(home, order, frozen, keys=keys, out=out, tell=tell)
