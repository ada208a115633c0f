"""What a hold is made of: its entries, its file beside the ledger, and how one is renewed."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from collector import durable
from collector.errors import SealError
from collector.kept import HOLDS, hold_file
from collector.seal.files import file_hash
from collector.seal.holds import Hold, bundle_place

Request = Mapping[str, Any]


def name_of(request: Request) -> str:
    """Return the name of a new hold, which names a folder too.

    Raises:
        SealError: it cannot.
    """
    name = str(request["hold"])
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9-]{0,63}", name):
        raise SealError(f"{name[:80]!r} is no name for a hold")
    return name


def entry(
    name: str,
    commit: str,
    until: int,
    *,
    scope: Sequence[Any] | None = None,
    bundle: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the entry of a hold on runs of segments, or on a bundle."""
    return {
        "type": "hold",
        "hold": name,
        "scope": None if scope is None else [list(run) for run in scope],
        "bundle": bundle,
        "until": until,
        "ref_commit": commit,
    }


def bundle_of(path: Path, segments: int) -> dict[str, Any]:
    """Return what the ledger says of a bundle that lies encrypted under `holds/`."""
    return {"sha256": file_hash(path), "size": path.stat().st_size, "segments": segments}


def write_file(home: Path, name: str, request: Request, now_us: int) -> str:
    """Keep what a hold is for, which the ledger must not say; return its commitment.

    A crash before the ledger has the entry leaves a file that no hold speaks of.
    """
    salt = os.urandom(16)
    reference = str(request["reference"])
    record = {
        "reference": reference,
        "salt": salt.hex(),
        "reason": str(request.get("reason", "")),
        "actor": str(request["actor"]),
        "placed_us": now_us,
        "from_us": request["from_us"],
        "to_us": request["to_us"],
        "logs": request["logs"],
        "sites": request["sites"],
        "renews": request.get("renewed"),
    }
    path = home / HOLDS / name / "hold.json"
    durable.make_dir(path.parent)
    durable.write_new(path, json.dumps(record, ensure_ascii=False).encode(), mode=0o600)
    return hashlib.sha256(salt + reference.encode()).hexdigest()


def renewed(
    home: Path, found: Mapping[str, Sequence[Hold]], request: Request, *, until: int, now_us: int
) -> dict[str, list[dict[str, Any]]]:
    """Return by site the entries that hold under another name what a hold keeps.

    The bundle of one person gets a second name, so that the release of the old hold leaves it. The
    number of the case stays unless the new order has its own.

    Args:
        home: The home.
        found: The hold as each site's ledger has it.
        request: `hold`, the new name; `renewed`, the old one; `actor`, perhaps `reference`.
        until: When it ends, µs.
        now_us: The time.

    Raises:
        SealError: the bundle of the old one is not there, or is another.
    """
    name, old = name_of(request), str(request["renewed"])
    private = hold_file(home, old)
    again = {one: private.get(one) for one in ("reference", "reason", "from_us", "to_us", "logs")}
    told = {one: value for one, value in request.items() if value not in (None, "")}
    bundles = [one for listed in found.values() for one in listed if one.bundle]
    for one in bundles:
        _second_name(home, one, name)
    commit = write_file(home, name, {**again, "sites": list(found), **told}, now_us)
    entries: dict[str, list[dict[str, Any]]] = {}
    for site, listed in found.items():
        if scope := [run for one in listed for run in one.scope]:
            entries.setdefault(site, []).append(entry(name, commit, until, scope=scope))
        for one in (one for one in listed if one.bundle):
            bundle = bundle_of(home / bundle_place(name), one.bundle_segments)
            entries.setdefault(site, []).append(entry(name, commit, until, bundle=bundle))
    return entries


def _second_name(home: Path, hold: Hold, name: str) -> None:
    path = home / bundle_place(hold.hold)
    if not path.is_file() or file_hash(path) != hold.bundle:
        hint = "see: prathu verify; hold the case anew from its bundle: prathu hold person"
        raise SealError(f"the bundle of {hold.hold} is not there, or is another", hint=hint)
    again = home / bundle_place(name)
    durable.make_dir(again.parent)
    if not again.exists():
        durable.link(path, again)
