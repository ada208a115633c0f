"""Every settings document the box ran with, each with the salt that hides it in the ledger.

A `config` entry holds H(salt || document) of the settings before and after a change
(`evidence.md` section 5), so that nobody can guess a school's settings from its ledger, and the box
can show later what they were.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from collector import durable

SALT_BYTES = 16
_NEXT = "next.json"


class SettingsHistory:
    """The folder with one file for each document, numbered from 0."""

    def __init__(self, folder: Path, *, random: Callable[[int], bytes]) -> None:
        self._folder = folder
        self._random = random

    def changed(self, document: str) -> tuple[str, str] | None:
        """Return the commitments before and after, or None when nothing changed.

        A change is remembered as the next one until `told`: after a crash between, the same pair
        comes again. The first document ever is no change.
        """
        numbers = self._numbers()
        if not numbers:
            self._write(document)
            self.told()
            return None
        last = self._read(self._folder / f"{numbers[-1]}.json")
        if last["document"] == document:
            return None
        pending = self._folder / _NEXT
        if not pending.exists() or self._read(pending)["document"] != document:
            self._write(document)
        return _commitment(last), _commitment(self._read(pending))

    def told(self) -> None:
        """The ledger has the newest change: give it its number."""
        pending = self._folder / _NEXT
        if pending.exists():
            numbers = self._numbers()
            number = numbers[-1] + 1 if numbers else 0
            durable.rename(pending, self._folder / f"{number}.json")

    def _numbers(self) -> list[int]:
        return sorted(int(p.stem) for p in self._folder.glob("*.json") if p.stem.isdecimal())

    def _write(self, document: str) -> None:
        durable.make_dir(self._folder)
        record = {"document": document, "salt": self._random(SALT_BYTES).hex()}
        text = json.dumps(record, ensure_ascii=False)
        durable.replace(self._folder / _NEXT, text.encode(), mode=0o600)

    def _read(self, path: Path) -> dict[str, Any]:
        record: dict[str, Any] = json.loads(path.read_bytes())
        return record


def _commitment(record: dict[str, Any]) -> str:
    salted = bytes.fromhex(record["salt"]) + record["document"].encode()
    return hashlib.sha256(salted).hexdigest()
