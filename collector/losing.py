"""What two people say of segments that are gone: checked against the disk, written down, entered.

The ledger holds no free text: it has a commitment to the reason, which stays in the home.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from collector import durable
from collector.errors import SealError
from collector.seal import lost
from collector.seal.holds import Account, Kept

REASONS = Path("state") / "lost"
CAUSES = ("disk-fault", "not-restored", "deleted", "stolen", "unknown")
"""Words that the command line knows; the ledger takes any."""
Entries = dict[str, tuple[Mapping[str, Any], ...]]


def declare(
    home: Path, accounts: Mapping[str, Account], request: Mapping[str, Any], now_us: int
) -> Entries:
    """Return the entries of each site, their reason written down beside the ledger.

    Args:
        home: The home.
        accounts: Of each site, up to the newest entry.
        request: `segments`, their ids, or none for all that are gone; `cause`, `reason`, `actor`,
            and `approvals`, two ids of people.
        now_us: The time.

    Raises:
        SealError: a segment is none of those that are gone, or none is gone.
    """
    chosen = _chosen(home, accounts, list(request["segments"]))
    salt = os.urandom(16)
    reason = str(request["reason"])
    commit = hashlib.sha256(salt + reason.encode()).hexdigest()
    record = {
        "reason": reason,
        "salt": salt.hex(),
        "cause": request["cause"],
        "actor": request["actor"],
        "approvals": list(request["approvals"]),
        "time_us": now_us,
        "segments": [
            f"{site}/{one.log}/{one.seq}" for site, some in chosen.items() for one in some
        ],
    }
    durable.make_dir(home / REASONS)
    text = json.dumps(record, ensure_ascii=False).encode()
    durable.write_new(home / REASONS / f"{commit}.json", text, mode=0o600)
    return {
        site: tuple(
            lost.entries(
                some,
                cause=str(request["cause"]),
                reason_commit=commit,
                approvals=request["approvals"],
            )
        )
        for site, some in chosen.items()
    }


def _chosen(
    home: Path, accounts: Mapping[str, Account], names: Sequence[str]
) -> dict[str, list[Kept]]:
    gone = {
        f"{site}/{one.log}/{one.seq}": (site, one)
        for site, account in accounts.items()
        for one in lost.missing(home, account)
    }
    if odd := [name for name in names if name not in gone]:
        raise SealError(
            f"{odd[0]} is no segment that is gone and unexplained",
            hint="prathu retention lost lists those that are",
        )
    if not gone:
        raise SealError("no segment is gone: there is nothing to say")
    chosen: dict[str, list[Kept]] = {}
    for name in names or gone:
        site, one = gone[name]
        chosen.setdefault(site, []).append(one)
    return chosen
