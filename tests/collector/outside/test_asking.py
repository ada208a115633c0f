"""Authorities and witnesses are asked, answer, stay away, come back, and speak against the box."""

from __future__ import annotations

import base64
import hashlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from appliance.hub.witness_state import Conflict, Misspelt, Unbelieved, Unknown, Witness
from collector import durable
from collector.errors import CollectorError
from collector.outside.asking import AGAIN, KEPT, Outside
from collector.seal import ledger, note, outside, timestamp
from collector.seal.fault import Refused
from collector.seal.witness import Cosigner
from collector.settings import CollectorSettings
from tests.collector.seal.checking import verify
from tests.collector.seal.school import BEGIN, DAY, HOUR, SITE, School
from tests.collector.seal.tsa import Authority

KEY = Cosigner("hub.example.go.th/witness", bytes(range(32)))


class Elsewhere:
    """A witness and an authority that are asked without a network, and may be away."""

    def __init__(self, school: School, folder: Path, authority: Authority | None) -> None:
        self.school = school
        self.authority = authority
        self.logs = folder / "logs"
        self.logs.parent.mkdir(parents=True, exist_ok=True)
        self.logs.write_text(f"log {school.sealer.log_vkey}\n")
        self.witness = Witness(folder, KEY, self.logs, clock=lambda: school.now_us * 1000)
        self.witness.start()
        self.away = False
        self.asked: list[dict[str, Any]] = []

    def post(self, question: dict[str, Any]) -> dict[str, Any]:
        """Return the answer to a question."""
        self.asked.append(question)
        body = base64.b64decode(question["body"])
        if self.away:
            return {"error": "the line is down"}
        if question["url"].endswith("/add-checkpoint"):
            return self._cosign(body)
        assert self.authority is not None
        return {"status": 200, "body": self.authority.stamp(body)}

    def _cosign(self, body: bytes) -> dict[str, Any]:
        try:
            return {"status": 200, "body": self.witness.add_checkpoint(body)}
        except Conflict as conflict:
            return {"status": 409, "body": f"{conflict.size}\n".encode()}
        except (Misspelt, Unbelieved, Unknown, Refused) as error:
            status = {Misspelt: 400, Unbelieved: 403, Unknown: 404, Refused: 422}[type(error)]
            return {"status": status, "body": str(error).encode()}


class Office:
    """A school that asks outside."""

    def __init__(self, home: Path, elsewhere: Path, *, stamps: bool) -> None:
        self.school = School(home)
        self.school.start()
        authority = Authority(elsewhere / "tsa") if stamps else None
        self.outside = Elsewhere(self.school, elsewhere / "hub", authority)
        record: dict[str, Any] = {
            "sites": [{"id": SITE}],
            "witnesses": [{"key": KEY.vkey.text, "url": "https://hub.example/w/"}],
        }
        if authority is not None:
            (home / "roots.pem").write_bytes(authority.roots_pem)
            one = {"name": "one", "url": "https://time.example/", "roots": "roots.pem"}
            record["timestamp_authorities"] = [one]
            record["outside"] = {"every_hours": 24}
        self.settings = CollectorSettings.model_validate(record)
        self.asking = self.begin()

    def begin(self) -> Outside:
        """Begin as after a start."""
        self.asking = Outside(
            self.school.home,
            self.settings,
            clock=lambda: self.school.now_us * 1000,
            tell=lambda _, entry: self.school.sealer.record(entry),
        )
        return self.asking

    def carry(self) -> list[str]:
        """Carry until nothing is to be asked."""
        told = []
        while questions := self.asking.due():
            for question in questions:
                answer = self.outside.post(question)
                told.append(self.asking.answer(question["id"], **answer))
        return told

    def begin_and_carry(self) -> list[str]:
        """Carry as after a start."""
        self.begin()
        return self.carry()

    @property
    def folder(self) -> Path:
        """The open ledger."""
        return ledger.folders(self.school.home, SITE)[-1]

    def kept(self, kind: str) -> list[int]:
        """Return the sizes for which something came."""
        return [kept.size for kept in outside.listed(self.folder) if kept.kind == kind]

    def lines(self) -> dict[str, dict[str, Any]]:
        """Return how it stands with everybody."""
        return {line["name"]: line for line in self.asking.status()["lines"]}

    def anchors(self) -> list[outside.Entry]:
        """Return the anchor entries."""
        return list(outside.anchors(self.school.home, SITE))


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Callable[..., Office]]:
    made: list[Office] = []

    def make(*, stamps: bool = False) -> Office:
        (tmp_path / "home").mkdir()
        made.append(Office(tmp_path / "home", tmp_path / "elsewhere", stamps=stamps))
        return made[-1]

    yield make
    for one in made:
        one.outside.witness.stop()


def now_is_today(one: Office) -> None:
    """Set the school's clock to that of this machine, which openssl stamps with."""
    import time

    one.school.now_us = time.time_ns() // 1000


def test_each_new_checkpoint_is_cosigned_and_kept(office: Callable[..., Office]) -> None:
    one = office()
    assert one.carry() == [KEPT]
    one.school.hour()
    one.school.hour()
    assert one.carry() == [KEPT]
    assert one.carry() == []
    newest = outside.published(one.folder)
    assert newest is not None
    assert one.kept("cosig")[-1] == newest.size
    known = outside.newest(one.school.home, SITE)
    assert known is not None
    assert (known.size, known.by) == (newest.size, (KEY.vkey.name,))
    assert known.since_us == one.school.now_us // 1_000_000 * 1_000_000
    assert verify(one.school.home).whole


def test_a_box_that_forgot_what_its_witness_knows_asks_again_from_there(
    office: Callable[..., Office],
) -> None:
    one = office()
    one.carry()
    one.school.hour()
    shutil.rmtree(one.folder / "cosig")
    one.begin()
    assert one.carry() == [AGAIN, KEPT]


def test_a_witness_put_back_to_an_older_state_is_caught_by_the_box(
    office: Callable[..., Office], tmp_path: Path
) -> None:
    one = office()
    one.carry()
    state = next(tmp_path.rglob("witness.json"))
    old = state.read_bytes()
    signed = max(one.kept("cosig"))
    one.school.hour()
    one.carry()
    assert max(one.kept("cosig")) > signed
    one.outside.witness.stop()
    state.write_bytes(old)
    one.outside.witness.start()
    one.school.hour()
    told = one.carry()
    assert "forgot what it signed" in told[-1]
    assert one.lines()[KEY.vkey.name]["alarm"] == told[-1]
    kept = max(one.kept("cosig"))
    one.school.hour()
    one.asking.status(now=True)
    assert "forgot what it signed" in one.carry()[-1]
    assert max(one.kept("cosig")) == kept


def test_an_old_disk_image_is_caught_by_the_witness(
    office: Callable[..., Office], tmp_path: Path
) -> None:
    one = office()
    one.carry()
    shutil.copytree(one.school.home, tmp_path / "image")
    one.school.hour()
    one.school.hour()
    one.carry()
    longer = max(one.kept("cosig"))
    one.school.sealer.stop()
    shutil.rmtree(one.school.home)
    shutil.copytree(tmp_path / "image", one.school.home)

    one.school.start()
    one.begin()
    one.school.now_us += HOUR
    told = one.carry()
    assert "somebody holds a longer history than we do" in told[-1]
    assert one.lines()[KEY.vkey.name]["alarm"] == told[-1]
    assert str(longer) in told[-1]
    # It goes on, outgrows what the witness knows, and is told that this is another history.
    for _ in range(3):
        one.school.hour()
    assert "another history" in one.carry()[-1]
    assert max(one.kept("cosig"), default=0) < longer
    assert one.begin().status()["lines"][0]["alarm"]  # a new start does not forget it


def test_a_witness_that_does_not_serve_us_is_told_with_what_helps(
    office: Callable[..., Office],
) -> None:
    one = office()
    one.outside.logs.write_text("")
    assert "does not serve" in one.carry()[0]
    one.outside.logs.write_text(f"log {one.school.sealer.log_vkey}\n")
    assert one.asking.due() == []  # it rests for a while
    one.school.now_us += 61_000_000
    assert one.carry() == [KEPT]
    assert one.lines()[KEY.vkey.name]["fault"] == ""


def test_a_token_a_day_is_kept_pinned_and_taken_by_openssl(office: Callable[..., Office]) -> None:
    one = office(stamps=True)
    now_is_today(one)
    one.school.hour(step_us=0)
    assert sorted(one.carry()) == [KEPT, KEPT, KEPT]  # one more cosignature, of the anchor
    (size,) = one.kept("tsr")
    token, chain = (one.folder / f"tst/{size}.one.{kind}" for kind in ("tsr", "pem"))
    text = note.parse(outside.signed_note(one.folder, size)).text
    authority = one.outside.authority
    assert authority is not None
    assert authority.accepted_by_openssl(token, text, chain)
    (anchor,) = one.anchors()
    assert (anchor["size"], anchor["renewal"]) == (size, None)
    assert hashlib.sha256(token.read_bytes()).hexdigest() in anchor["proofs"]
    one.begin()
    one.carry()
    assert len(one.anchors()) == 1
    one.school.hour()
    one.carry()
    assert one.kept("tsr") == [size]  # one a day
    assert verify(one.school.home).whole


def test_away_for_a_month_and_then_caught_up_oldest_first(office: Callable[..., Office]) -> None:
    one = office(stamps=True)
    now_is_today(one)
    one.outside.away = True
    one.school.now_us -= 31 * DAY
    one.school.start()
    for _ in range(31):
        one.school.hour(step_us=DAY)
        one.carry()
        one.school.now_us += 1
    assert one.kept("tsr") == one.kept("cosig") == []
    status = one.asking.status()
    assert status["waiting"][SITE] == 31
    assert all("line is down" in line["fault"] for line in status["lines"])
    assert verify(one.school.home).whole  # nothing stopped

    one.begin()
    one.outside.away = False
    one.outside.asked.clear()
    one.school.now_us += 2 * HOUR
    one.asking.status(now=True)
    told = one.carry()
    assert set(told) == {KEPT}
    sizes = one.kept("tsr")
    assert len(sizes) >= 31
    assert len(one.kept("cosig")) >= 1
    assert one.asking.status()["waiting"][SITE] == 0
    asked = [q["whom"] for q in one.outside.asked].count("one")
    assert asked == len(sizes)
    assert {anchor["size"] for anchor in one.anchors()} == set(sizes)
    assert verify(one.school.home).whole


def test_what_an_authority_answers_wrongly_is_not_kept(office: Callable[..., Office]) -> None:
    one = office(stamps=True)
    now_is_today(one)
    one.school.hour(step_us=0)
    question = next(q for q in one.asking.due() if q["whom"] == "one")
    authority = one.outside.authority
    assert authority is not None
    other = authority.stamp(timestamp.request(b"another text").body)
    assert "mismatch" in one.asking.answer(question["id"], status=200, body=other)
    assert one.kept("tsr") == []
    with pytest.raises(CollectorError, match="no question"):
        one.asking.answer(question["id"], status=200, body=other)


def test_a_clock_far_ahead_of_the_authority_is_told(office: Callable[..., Office]) -> None:
    one = office(stamps=True)
    now_is_today(one)
    one.school.hour(step_us=HOUR)
    told = one.carry()
    assert any("earlier than the entries" in one for one in told)
    assert one.kept("tsr") == []


def test_tokens_are_pinned_by_a_second_hash_after_a_year(office: Callable[..., Office]) -> None:
    one = office(stamps=True)
    now_is_today(one)
    one.school.hour(step_us=0)
    one.carry()
    assert [anchor["renewal"] for anchor in one.anchors()] == [None]
    one.outside.away = True
    one.school.hour(step_us=366 * DAY)
    one.begin()
    one.carry()
    renewed = one.anchors()[-1]
    pinned = set(one.anchors()[0]["proofs"])
    expected = outside.renewal(one.school.home, renewed["origin"], renewed["size"], pinned)
    assert renewed["renewal"] == expected
    one.begin()
    one.school.hour()
    one.carry()
    assert [a["renewal"] is not None for a in one.anchors()] == [False, True]


def test_a_crash_between_chain_token_and_anchor_is_made_good(
    office: Callable[..., Office], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = office(stamps=True)
    now_is_today(one)
    one.school.hour(step_us=0)

    def crash(point: str) -> None:
        if point.startswith("rename") and point.endswith(".tsr"):
            raise OSError(5, "Input/output error")

    monkeypatch.setattr(durable, "fault", crash)
    assert any("Input/output error" in told for told in one.carry())
    assert (one.kept("pem"), one.kept("tsr")) != ([], [])
    monkeypatch.undo()
    one.school.start()
    one.begin()._tell = None  # as if the next crash came before the entry
    one.asking.status(now=True)
    one.carry()
    assert len(one.kept("tsr")) == len(one.kept("pem")) > 0
    assert one.anchors() == []
    one.school.start()
    one.begin()
    one.carry()
    assert {anchor["size"] for anchor in one.anchors()} == set(one.kept("tsr"))
    assert one.kept("tsr") == one.kept("pem")
    assert verify(one.school.home).whole


def test_a_damaged_token_does_not_keep_the_box_from_asking(office: Callable[..., Office]) -> None:
    one = office(stamps=True)
    now_is_today(one)
    one.school.hour(step_us=0)
    one.carry()
    (size,) = one.kept("tsr")
    (one.folder / f"tst/{size}.one.tsr").write_bytes(b"damaged")
    one.school.hour()
    assert KEPT in one.begin_and_carry()
    assert outside.newest(one.school.home, SITE) is not None


def test_a_damaged_memory_is_made_anew(office: Callable[..., Office]) -> None:
    one = office()
    one.carry()
    for wrong in (b"", b"{}", b"[1]", b'{"lines":[{}]}', b"\xff"):
        (one.school.home / "state" / "outside.json").write_bytes(wrong)
        one.school.hour()
        assert one.begin_and_carry() == [KEPT]


def test_nobody_in_the_settings_means_nothing_to_ask(tmp_path: Path) -> None:
    settings = CollectorSettings.model_validate({"sites": [{"id": SITE}]})
    asking = Outside(tmp_path, settings, clock=lambda: BEGIN * 1000, tell=None)
    assert asking.due() == []
    assert asking.status()["lines"] == []
