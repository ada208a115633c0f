"""A backup and its rehearsal, with what is left of each: a row of `audit`, and how it stands.

A rehearsal restores the backup beside the home with the box's own key and verifies every row.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from appliance.backup import making, restoring, standing
from appliance.backup.target import Target
from appliance.cli import report, verify_run
from appliance.cli.context import wall_clock
from appliance.cli.init import make_folders
from appliance.cli.verify import tables
from appliance.errors import BoxError
from appliance.settings import BoxSettings
from collector import kept
from collector.errors import CollectorError, SealError
from collector.seal import files
from collector.seal.vault import KEK, Secrets, credential
from collector.seal.verify import Question, Report, verify
from collector.store.retention import disk_of

_FOLDER = "rehearsal-"
_FREE = 0.05
"""This part of the disk stays free: what arrives is worth more than a rehearsal."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run of `prathu backup`."""

    home: Path
    settings: BoxSettings
    where: str
    """As named at the command line; empty for the place in the settings."""
    actor: str
    """`box` when nobody asked; empty for who sits at the command line."""

    def act(self, word: str, target: str) -> None:
        """Make a row of `audit` durable."""
        report.act(self.home, self.settings, word, target=target, actor=self.actor)

    @contextmanager
    def noted(self, what: standing.What) -> Iterator[Callable[[str], None]]:
        """Write down how it ends: good when what is given is called, else why it failed."""

        def good(told: str) -> None:
            if self._counts:
                standing.good(self.home, what, told, wall_clock() // 1000)

        try:
            yield good
        except Exception as error:
            fault = " ".join(str(error).split()) or type(error).__name__
            if self._counts:
                standing.bad(self.home, what, fault, wall_clock() // 1000)
            with suppress(CollectorError):  # the failure itself is raised
                self.act(what, f"FAILED: {fault}"[:500])
            raise

    @property
    def _counts(self) -> bool:
        """Whether this is the backup that the settings ask for: a stick in a drawer is none."""
        wanted = self.settings.backup.to
        return not wanted or self.where in ("", wanted)

    def rehearse(self, target: Target, name: str, *, logs: bool) -> str:
        """Restore a backup beside the home, verify it, and write down what came of it.

        Raises:
            BoxError: it is not whole, cannot be read, or there is no room for it.
        """
        scratch = self._scratch
        if not scratch.is_dir():
            raise BoxError(f"{scratch} is no folder", hint="see [backup] scratch")
        self._check_room(scratch, logs=logs)
        beside = Path(tempfile.mkdtemp(prefix=_FOLDER, dir=scratch))
        try:
            text = self._restored(beside, target, name, logs=logs)
        finally:
            shutil.rmtree(beside)
        self.act("rehearsal", text)
        return text

    def clear(self) -> None:
        """Delete what a rehearsal left that was killed: rows and names lie there readable."""
        for left in self._scratch.glob(f"{_FOLDER}*"):
            shutil.rmtree(left)

    @property
    def _scratch(self) -> Path:
        return self.home / (self.settings.backup.scratch or "stage")

    def _check_room(self, scratch: Path, *, logs: bool) -> None:
        """Refuse to fill the disk: what the segments take, and a copy of the rest."""
        books = kept.read_books(self.home, [site.id for site in self.settings.sites])
        need = sum(one.size for book in books.values() for one in book.kept.values()) if logs else 0
        disk = disk_of(scratch)
        if need > disk.free - _FREE * disk.total:
            raise BoxError(
                f"no room in {scratch}: {need / 1e9:.1f} GB are needed, {disk.free / 1e9:.1f} GB "
                "are free, and a twentieth of the disk must stay so",
                hint="name a folder elsewhere: [backup] scratch",
            )

    def _restored(self, beside: Path, target: Target, name: str, *, logs: bool) -> str:
        make_folders(beside)
        private = str(making.own_key(self.home))
        told = restoring.restore(
            beside, target, private=private, name=name, logs=logs, envelope=False
        )
        proof = _verified(beside, _kek(self.home))
        # What was destroyed or lost meanwhile is missing there as it is here.
        missing = [one for one in told.missing if logs and (self.home / one).exists()]
        if missing:
            raise BoxError(f"{name}: {len(missing)} segments are not there, such as {missing[0]}")
        absent = {p for one in told.missing for p in (one, str(files.sidecar_of(Path(one))))}
        odd = [one for one in proof.findings if one.number != "E-02" or one.place not in absent]
        if odd:
            raise BoxError(f"{name} is NOT WHOLE: {odd[0].number} {odd[0].place}: {odd[0].text}")
        left_out = f", {len(told.missing)} left out" if told.missing else ""
        counts = f"{proof.entries} entries, {told.segments} segments{left_out}, {proof.rows} rows"
        return f"rehearsal of {name}: whole; {counts}"


def proven(home: Path) -> Report:
    """Return what the verifier says of a restored home."""
    return _verified(home, _kek(home))


def _verified(home: Path, kek: bytes | None) -> Report:
    """Check every row where the ring key is there."""
    with verify_run.pool() as each:
        return verify(home, Question(deep=kek is not None, kek=kek, each=each), read=tables)


def _kek(home: Path) -> bytes | None:
    """Return the ring key; None where only the service may open it."""
    try:
        return Secrets(home, random=os.urandom, wrap=credential(os.environ)).read(KEK)
    except (SealError, PermissionError):
        return None
