"""The verbs of `prathu`, told without loading any: each brings its own part of the box with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import typer


class Verb(NamedTuple):
    """One verb."""

    module: str
    """In this folder."""
    says: str
    """Its line in `prathu --help`, as its own help begins; empty: it is not listed."""


VERBS: Mapping[str, Verb] = {
    "init": Verb(
        "init",
        "Make a home: settings, keys, database, first admin. Never touches an existing one.",
    ),
    "up": Verb("up", "Run the box in the foreground; Ctrl-C stops it in order, with nothing lost."),
    "status": Verb("status", "Show processes, sources, spool, the newest seal and the disk."),
    "sources": Verb("sources", "Show who sends, the worst first; losses are of the last 24 hours."),
    "check": Verb(
        "check", "Build every part from the settings and stop: nothing is opened or changed."
    ),
    "doctor": Verb(
        "doctor",
        "Look for what is wrong on this machine, and say how to mend it; status 1 when something "
        "is.",
    ),
    "inspect": Verb(
        "inspect",
        "Decode NetFlow, IPFIX and sFlow offline: JSON lines, one record each, "
        "IPFIX element names.",
    ),
    "ingest": Verb(
        "ingest",
        "Take files in as if they came from the network: `received` is now, "
        "`source` says which file.",
    ),
    "search": Verb(
        "search",
        "Ask the logs. The question is written to the audit log before the answer is shown.",
    ),
    "who": Verb("who", "Say who was behind an address at a time, and what says so."),
    "seal": Verb("seal", "Close open parts and seal them."),
    "verify": Verb(
        "verify", "Check ledger, checkpoints, continuity and files; deep, every byte and row."
    ),
    "prove": Verb(
        "export", "Pack the bundle of a case and keep it in the home; nothing is handed over."
    ),
    "export": Verb(
        "export",
        "Hand over the bundle of a case; the first time with the words that define the case.",
    ),
    "verify-bundle": Verb(
        "verify_bundle",
        "Check a bundle: every byte, row, proof and signature. Status 1 when it does not hold.",
    ),
    "keys": Verb("keys", "The keys of the box, and the one on paper."),
    "hold": Verb("hold", "Legal holds: what an order keeps."),
    "retention": Verb("retention", "How long logs are kept."),
    "backup": Verb(
        "backup",
        "Make a backup, encrypted to the key on paper: settings, keys, database, ledger.",
    ),
    "restore": Verb(
        "backup", "Bring a backup onto an empty home; what stands on the paper is asked for."
    ),
    "outside": Verb(
        "outside",
        "Show what is proven outside of the box, and the log keys that witnesses must be given.",
    ),
    "hub": Verb("hub", "The witness that this machine is for others."),
    "certificate": Verb(
        "certificate",
        "Show how long the sign-in page's certificate is good, and who says so.",
    ),
    "people": Verb("people", "People and their accounts."),
    "groups": Verb("groups", "Groups of people and what they may do."),
    "calendar": Verb("groups", "Holidays and exam days."),
    "voucher": Verb("voucher", "Vouchers for named guests."),
    "devices": Verb("devices", "Devices and whose they are."),
    "radius": Verb("radius", "802.1X: profiles and certificates of devices."),
    "sessions": Verb("sessions", "Who is on, and who was."),
    "kick": Verb(
        "kick",
        "End a session at the gate, in the database and at the NAS, and say what came of it.",
    ),
    "demo-traffic": Verb("demo", ""),
}
"""In the order of `prathu --help`."""


def overview(program: typer.Typer) -> None:
    """Add a line for each verb: enough for the help, and for words that are no verb."""
    for name, verb in VERBS.items():
        program.command(name, help=verb.says, hidden=not verb.says)(_nothing)


def _nothing() -> None:
    """Stand for a verb that is not called."""
