"""Cases at the command line, on a box that rests: defined once, packed, handed over, checked."""

from __future__ import annotations

import json
import os
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from captive_portal.database import open_database
from captive_portal.people.accounts import Kind, NewAccount, People, Role
from collector.seal import segment, tiles
from collector.settings import SpoolSettings
from collector.spool import SpoolWriter
from tests.appliance.cli.boxes import Box, staff
from tests.collector.homes import flow_frame, session_frame

NOW = datetime.now(UTC).replace(microsecond=0)
WORDS = (
    *("--from", "-1h", "--to", "now", "--approver", "director", "--exporter", "it-head"),
    *("--recipient", "police", "--request", "ตช 12/2570"),
)


@pytest.fixture
def box(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Box:
    monkeypatch.setattr(os, "fsync", lambda _: None)
    box = Box(tmp_path, capsys, monkeypatch, sites=())
    (tmp_path / "run").mkdir()
    staff(tmp_path, "director", "it-head")
    assert box.prathu("seal", "--now").status == 0
    begun = NOW - timedelta(minutes=10)
    frames = [
        session_frame(begun, "somchai", "10.0.0.1"),
        session_frame(begun, "malee", "10.0.0.2"),
        *(flow_frame(NOW - timedelta(minutes=5), 1000, 5, host=host) for host in (1, 2, 3)),
    ]
    with SpoolWriter(tmp_path / "spool", SpoolSettings(), clock=lambda: 0) as spool:
        for frame in frames:
            spool.wait_durable(spool.append(frame))
    assert box.prathu("seal", "--now").status == 0
    return box


def ledger(box: Box) -> list[dict[str, Any]]:
    (folder,) = (box.home / "ledger" / "school-a").iterdir()
    size = json.loads((folder / "state").read_bytes())["size"]
    return [json.loads(data) for data in tiles.Tiles(folder, size).entries(0)]


def policy(box: Box) -> str:
    path = box.home / "policy"
    path.write_text(f"log {ledger(box)[0]['log_vkey']}\nquorum none\n")
    return str(path)


def test_a_person_is_shown_whole_and_nobody_else(box: Box, tmp_path: Path) -> None:
    out = tmp_path / "case.zip"
    said = box.prathu(
        *("--json", "export", "--case", "12-2570", "--out", str(out), "--person", "somchai"),
        *("--log", "flows", "--log", "sessions", *WORDS),
    )
    assert said.status == 0, said.err
    (told,) = said.lines()
    assert (told["rows"], told["case"]) == (6, "12-2570")
    checked = box.prathu("--json", "verify-bundle", str(out), "--policy", policy(box))
    assert checked.status == 0, checked.out
    (result,) = checked.lines()
    shown = {s["id"].split("/")[1] for s in result["segments"] if s["rows"]}
    assert (result["valid"], result["rows"], shown) == (True, 6, {"flows", "sessions"})
    with zipfile.ZipFile(out) as file:
        text = b"".join(file.read(name) for name in file.namelist())
    assert b"10.0.0.1" in text
    assert b"10.0.0.2" not in text
    assert b"malee" not in text


def test_what_became_known_after_sealing_is_said_where_all_is_claimed(
    box: Box, tmp_path: Path
) -> None:
    late = session_frame(NOW - timedelta(minutes=6), "suda", "10.0.0.3")
    with SpoolWriter(box.home / "spool", SpoolSettings(), clock=lambda: 0) as spool:
        spool.wait_durable(spool.append(late))
    assert box.prathu("seal", "--now").status == 0
    out = tmp_path / "case.zip"
    case = ["export", "--case", "c1", "--out", str(out), "--person", "suda", *WORDS]
    said = box.prathu(*case)
    assert said.status == 0, said.err
    assert "1 sessions of this person became known after sealing" in said.err
    with zipfile.ZipFile(out) as file:
        query = json.loads(file.read("manifest.json"))["query"]
    assert "became known after sealing" in query["english"]
    assert "ทราบชื่อภายหลังการปิดผนึก" in query["thai"]
    words = ("--question", "user:suda", *WORDS)
    said = box.prathu("--json", "prove", "--case", "c2", *words)
    assert said.lines()[0]["rows"] == 5


@pytest.mark.parametrize("word", ["--recipient", "--approver"])
def test_a_word_for_the_ledger_that_cannot_be_is_explained(
    box: Box, tmp_path: Path, word: str
) -> None:
    staff(box.home, "สถานีตำรวจ")
    words = [*WORDS, word, "สถานีตำรวจ"]
    said = box.prathu(
        "export", "--case", "c1", "--out", str(tmp_path / "o.zip"), "--person", "malee", *words
    )
    assert (said.status, f"{word} 'สถานีตำรวจ' cannot be; " in said.err) == (2, True), said.err


def test_who_approves_is_of_the_staff_and_does_not_export(box: Box) -> None:
    staff(box.home, "viewer", role=Role.NONE)
    people = People(open_database(box.home))
    (viewer,) = [one for one in people.list() if one.account == "viewer"]
    for account, kind in (("pupil", Kind.PUPIL), ("gone", Kind.STAFF)):
        people.add(NewAccount(site="school-a", account=account, kind=kind), now=NOW)
    (gone,) = [one for one in people.list() if one.account == "gone"]
    people.disable(gone.id, now=NOW)

    def refused(approver: str, exporter: str) -> str:
        two = ("--approver", approver, "--exporter", exporter)
        said = box.prathu("prove", "--case", "c1", "--person", "malee", *WORDS, *two)
        assert said.status in (0, 2)
        assert said.status == 0 or said.err.count("\n") == 1
        return said.err if said.status else ""

    assert "nemo: there is no such account at school-a" in refused("nemo", "it-head")
    assert "pupil is not of the staff" in refused("pupil", "it-head")
    assert "gone: this account is closed" in refused("gone", "it-head")
    for same in ("viewer", "VIEWER", str(viewer.id)):
        assert "two people are needed" in refused(same, "viewer")
    assert not (box.home / "cases" / "c1").exists()
    assert refused(str(viewer.id), "uid.1000") == ""


def test_it_stands_in_the_ledger_each_time_before_it_goes(box: Box, tmp_path: Path) -> None:
    first, again = tmp_path / "first.zip", tmp_path / "again.zip"
    case = ("export", "--case", "12-2570")
    said = box.prathu("--json", *case, "--out", str(first), "--person", "somchai", *WORDS)
    assert said.status == 0, said.err
    (told,) = said.lines()
    assert box.prathu(*case, "--out", str(again)).status == 0
    assert first.read_bytes() == again.read_bytes()
    exports = [entry for entry in ledger(box) if entry["type"] == "export"]
    assert len(exports) == 2
    assert exports[0]["bundle"] == {"sha256": told["sha256"], "size": told["size"]}
    assert exports[0]["index"] == told["ledger_index"]
    assert (exports[0]["approver"], exports[0]["exporter"]) == ("director", "it-head")
    assert sum(count for _, _, count, _ in exports[0]["rows"]) == told["rows"] == 5
    assert "somchai" not in json.dumps(exports)
    (bundle,) = (box.home / "cases" / "12-2570").glob("*.zip")
    bundle.unlink()
    assert box.prathu(*case, "--out", str(again)).status == 0
    assert first.read_bytes() == again.read_bytes()
    assert [event.target for event in box.audits() if event.act == "export"] == ["case 12-2570"] * 3


def test_what_a_question_finds_is_c0(box: Box, tmp_path: Path) -> None:
    out = str(tmp_path / "case.zip")
    case = ("--json", "export", "--case", "13-2570", "--out", out)
    wrong = box.prathu(*case, "--question", "src:10.0.0.3", "--level", "C1", *WORDS)
    assert (wrong.status, "C0" in wrong.err) == (2, True)
    said = box.prathu(*case, "--question", "src:10.0.0.3 AND port:443", *WORDS)
    assert said.status == 0, said.err
    assert said.lines()[0]["rows"] == 5
    (result,) = box.prathu("--json", "verify-bundle", out, "--policy", policy(box)).lines()
    assert {s["level"] for s in result["segments"] if s["state"] == "valid"} == {"C0"}


def test_prove_hands_nothing_over(box: Box) -> None:
    said = box.prathu("--json", "prove", "--case", "14", "--person", "malee", *WORDS)
    assert said.status == 0, said.err
    kept = box.home / said.lines()[0]["kept"]
    assert box.prathu("verify-bundle", str(kept), "--policy", policy(box)).status == 0
    assert not [entry for entry in ledger(box) if entry["type"] == "export"]


def test_a_key_is_shown_on_the_premises_alone_and_that_is_in_the_ledger(box: Box) -> None:
    (told,) = box.prathu("--json", "prove", "--case", "17", "--person", "malee", *WORDS).lines()
    manifests = {e["seq"]: e for e in ledger(box) if e["type"] == "segment" and e["log"] == "flows"}
    seq, manifest = max(manifests.items())
    name = f"school-a/flows/{seq}"
    (shown,) = box.prathu("--json", "prove", "--case", "17", "--show-key", name).lines()
    assert segment.key_commit(bytes.fromhex(shown["key"])).hex() == manifest["key_commit"]
    (entry,) = [entry for entry in ledger(box) if entry["type"] == "export"]
    assert (entry["rows"], entry["index"]) == ([["flows", seq, 15, "C3"]], shown["index"])
    assert shown["key"].encode() not in (box.home / told["kept"]).read_bytes()
    assert box.prathu("prove", "--case", "17", "--show-key", "school-a/flows/99").status == 3


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--person", "somchai"), "--from is needed"),
        (("--person", "somchai", *WORDS, "--approver", "it-head"), "two people are needed"),
        (("--person", "nobody", *WORDS), "nobody at school-a was ever called"),
        (("--person", "a", *WORDS), "fits 2 people"),
        ((*WORDS,), "a person or a question"),
        (("--person", "somchai", "--log", "events", *WORDS), "not sorted by person"),
        (("--person", "somchai", "--log", "flwos", *WORDS), "no log is called"),
        (("--person", "somchai", "--withhold", "events", *WORDS), "does not show events"),
        (("--person", "somchai", "--level", "C3", *WORDS), "no level is called C3"),
        (("--question", "src:10.9.9.9", *WORDS), "no sealed row fits"),
        (("--question", "srk:10.9.9.9", *WORDS), "no field is called"),
        (("--person", "somchai", *WORDS, "--recipient", "Police!"), "recipient"),
    ],
)
def test_words_that_make_no_case_are_told(box: Box, words: tuple[str, ...], told: str) -> None:
    said = box.prathu("prove", "--case", "15", *words)
    assert (said.status, told in said.err) == (2, True), said.err
    assert len(said.err.strip().splitlines()) == 1
    assert not (box.home / "cases").exists() or not list((box.home / "cases").rglob("*.zip"))


def test_a_case_never_changes_and_is_no_path(box: Box, tmp_path: Path) -> None:
    out = str(tmp_path / "case.zip")
    assert box.prathu("prove", "--case", "16", "--person", "malee", *WORDS).status == 0
    said = box.prathu("export", "--case", "16", "--out", out, "--person", "somchai", *WORDS)
    assert (said.status, "never changes" in said.err) == (2, True)
    for odd in ("..", "../x", "a/b", ""):
        assert box.prathu("export", "--case", odd, "--out", out).status == 2
    assert not Path(out).exists()


def test_a_file_that_is_no_bundle_is_refused_in_one_line(box: Box, tmp_path: Path) -> None:
    file = tmp_path / "x.zip"
    file.write_bytes(b"PK\x03\x04" * 1000)
    said = box.prathu("verify-bundle", str(file), "--policy", policy(box))
    assert (said.status, said.out.count("\n")) == (1, 1)
    assert "section 11" in said.out, "where the numbers are explained"
    assert box.prathu("verify-bundle", str(tmp_path / "none.zip")).status == 2
    assert box.prathu("verify-bundle", str(file), "--policy", str(file)).status == 2


def test_without_a_policy_nothing_is_said_against_a_bundle(box: Box, tmp_path: Path) -> None:
    out, words = str(tmp_path / "case.zip"), ("--person", "somchai", *WORDS)
    assert box.prathu("export", "--case", "1", "--out", out, *words).status == 0
    said = box.prathu("verify-bundle", out)
    assert (said.status, "not checked: E-06" in said.out) == (1, True)
    assert "not valid" not in said.out
    said = box.prathu("verify-bundle", out, "--policy", policy(box))
    assert "C1 (ทุกแถวของบุคคลนี้ตามที่ผนึก / all rows of this person, as sealed)" in said.out
    (tmp_path / "no-quorum").write_text(f"log {ledger(box)[0]['log_vkey']}\n")
    said = box.prathu("verify-bundle", out, "--policy", str(tmp_path / "no-quorum"))
    assert (said.status, "`quorum none` asks for nobody" in said.err) == (2, True)
