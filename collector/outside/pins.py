"""Which tokens the ledger itself is to pin, and when all of them by a second hash."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from collector.seal import ledger, outside, timestamp
from collector.seal.fault import Refused
from collector.seal.ledger import Put

_log = logging.getLogger(__name__)

DAY_US = 86_400_000_000
RENEW_US, RENEW_BEFORE_US, RENEW_AGAIN_US = 365 * DAY_US, 60 * DAY_US, 30 * DAY_US
"""Tokens are pinned by a second hash when one is a year old, or its chain ends in 60 days; not
more often than each 30 days."""
LEDGERS = 2
"""So many of the newest ledgers of a site are looked at: tokens of an ended one may come late."""
Entry = Mapping[str, Any]


class Pins:
    """What the ledgers of one site have pinned already."""

    def __init__(self, home: Path, site: str, put: Put) -> None:
        self._home = home
        self._site = site
        known = list(outside.anchors(home, site))
        self._pinned = {proof for entry in known for proof in entry["proofs"]}
        renewals = [entry["time"] for entry in known if entry["renewal"] is not None]
        self._renewed_us = max(renewals, default=0)
        self._looked_us = -DAY_US
        self.fresh = True
        """Whether a token came since the last look."""
        for folder in self._folders():
            outside.Shelf(folder, put).tidy()

    def due(self, now_us: int) -> Iterator[Entry]:
        """Give the entries that are to be written; each is given once."""
        if self.fresh:
            self.fresh = False
            for folder in self._folders()[-LEDGERS:]:
                for size in outside.unpinned(folder, self._pinned):
                    entry = outside.anchor(folder, size)
                    self._pinned.update(entry["proofs"])
                    yield entry
        if self._pinned and not 0 <= now_us - self._looked_us < DAY_US:
            self._looked_us = now_us
            yield from self._renewal(now_us)

    def _renewal(self, now_us: int) -> Iterator[Entry]:
        folders = self._folders()
        if now_us - self._renewed_us < RENEW_AGAIN_US:
            return
        if not any(self._grows_old(folder, now_us) for folder in folders):
            return
        checkpoint = outside.published(folders[-1])
        if checkpoint is not None:
            size, origin = checkpoint.size, checkpoint.origin
            hashed = outside.renewal(self._home, origin, size, self._pinned)
            self._renewed_us = now_us
            yield outside.anchor(folders[-1], size, renewal=hashed)

    def _grows_old(self, folder: Path, now_us: int) -> bool:
        """Say whether a token since the last renewal should not stand alone for longer."""
        for kept in outside.listed(folder):
            if kept.kind != "tsr":
                continue
            try:
                stamped_us = timestamp.time_of((folder / kept.name).read_bytes())
                chain = timestamp.read_pem((folder / kept._replace(kind="pem").name).read_bytes())
            except (Refused, OSError) as error:
                _log.error("%s is damaged: %s; see prathu verify", folder / kept.name, error)
                continue
            old = now_us - stamped_us >= RENEW_US
            ends = timestamp.end_us(chain) - now_us <= RENEW_BEFORE_US
            if stamped_us > self._renewed_us and (old or ends):
                return True
        return False

    def _folders(self) -> list[Path]:
        return ledger.folders(self._home, self._site)
