"""Lines are fetched from the collector, kept, and noted: what was not kept comes again."""

import asyncio
import json
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from captive_portal.errors import PortalError, ReportError, ReportRefused
from captive_portal.report import Reporter
from captive_portal.sign_in_lines import SignInLines
from collector.records import SignInLine
from tests.captive_portal.conftest import NOW, SITE


def line(position: int, account: str = "somchai") -> SignInLine:
    return SignInLine(
        position=position,
        received=NOW + timedelta(seconds=position),
        time=NOW,
        site=SITE,
        event="start",
        sender="192.0.2.1",
        account=account,
        address="10.0.0.5",
        lasts_s=60,
    )


class Sealer:
    """Answers as the sealing process does, with the lines that the portal has not."""

    def __init__(self, path: Path) -> None:
        self.lines = [line(n) for n in range(3)]
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(path))
        self._listener.listen(4)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            client, _ = self._listener.accept()
            threading.Thread(target=self._answer, args=(client,), daemon=True).start()

    def _answer(self, client: socket.socket) -> None:
        with client, client.makefile("rb") as requests:
            for request in requests:
                have: dict[str, Any] = json.loads(request)["have"]
                position, _ = have.get(SITE, (-1, 0))
                next_ = [one for one in self.lines if one.position > position][:2]
                told = [json.loads(one.to_json()) for one in next_]
                client.sendall(json.dumps({"ok": True, "sign_ins": told}).encode() + b"\n")


Make = Callable[[], SignInLines]


@pytest.fixture
def kept() -> list[SignInLine]:
    return []


@pytest.fixture
def sealer(tmp_path: Path) -> Sealer:
    return Sealer(tmp_path / "seal.sock")


@pytest.fixture
def make(tmp_path: Path, sealer: Sealer, kept: list[SignInLine]) -> Iterator[Make]:
    reporters: list[Reporter] = []

    def keep(lines: Sequence[SignInLine]) -> None:
        if any(one.account == "refused" for one in lines):
            raise ReportRefused("no such site")
        if any(one.account == "unlucky" for one in lines):
            raise ReportError("the disk is full")
        kept.extend(lines)

    def made() -> SignInLines:
        reporters.append(Reporter(tmp_path / "seal.sock"))
        return SignInLines(tmp_path / "note.json", reporters[-1], keep=keep, run=_run)

    yield made
    for reporter in reporters:
        reporter.close()


def _run(work: Callable[[], None]) -> "asyncio.Future[None]":
    return asyncio.get_running_loop().run_in_executor(None, work)


async def _all(lines: SignInLines) -> None:
    while await lines.fetch():
        pass


def test_what_is_kept_is_not_asked_for_again_after_a_restart(
    make: Make, sealer: Sealer, kept: list[SignInLine]
) -> None:
    asyncio.run(_all(make()))
    assert [one.position for one in kept] == [0, 1, 2]
    sealer.lines.append(line(3))
    asyncio.run(_all(make()))
    assert [one.position for one in kept] == [0, 1, 2, 3]


def test_what_cannot_be_kept_now_comes_again(
    make: Make, sealer: Sealer, kept: list[SignInLine]
) -> None:
    sealer.lines = [line(0), line(1, "unlucky")]
    lines = make()
    with pytest.raises(ReportError):
        asyncio.run(_all(lines))
    assert kept == []
    sealer.lines[1] = line(1)
    asyncio.run(_all(lines))
    assert [one.position for one in kept] == [0, 1]


def test_a_line_that_the_collector_refuses_keeps_no_other_waiting(
    make: Make, sealer: Sealer, kept: list[SignInLine]
) -> None:
    sealer.lines = [line(0, "refused"), line(1)]
    lines = make()
    asyncio.run(_all(lines))
    assert ([one.position for one in kept], lines.kept, lines.refused) == ([1], 1, 1)


@pytest.mark.parametrize("note", ["", "[]", "{", '{"school-a": 1}', '{"school-a": ["x", 2]}'])
def test_a_damaged_note_fetches_all_anew(
    note: str, make: Make, kept: list[SignInLine], tmp_path: Path
) -> None:
    (tmp_path / "note.json").write_text(note)
    asyncio.run(_all(make()))
    assert len(kept) == 3


def test_an_answer_that_is_none_is_an_error_and_no_end(make: Make, sealer: Sealer) -> None:
    sealer.lines = [line(0)]
    broken = make()
    object.__setattr__(sealer.lines[0], "site", "")
    with pytest.raises((ValueError, TypeError, KeyError, PortalError)):
        asyncio.run(_all(broken))
