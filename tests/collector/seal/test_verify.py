"""Whatever is changed in a home is found, and the file that was changed is named."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import rfc8785

from collector.seal import ledger, note, segment, tiles
from collector.seal import verify as seal_verify
from collector.seal.canonical import read_schema
from collector.seal.note import SigningKey
from collector.seal.verify import Report
from tests.collector.seal import checking
from tests.collector.seal.school import BEGIN, DAY, DEMO, HOUR, SITE, School, read, write

YEAR = f"ledger/{SITE}/2027"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home of two days, three segments and thirteen entries."""
    home = tmp_path_factory.mktemp("whole")
    school = School(home)
    school.start()
    for rows in (6, 0, 6):
        school.hour(rows)
    school.now_us += DAY
    school.start()
    school.hour(5)
    school.sealer.stop()
    return home


@pytest.fixture
def home(whole: Path, tmp_path: Path) -> Path:
    """A copy to be tampered with."""
    return Path(shutil.copytree(whole, tmp_path / "home"))


def first(home: Path, **asked: Any) -> tuple[str, str]:
    """Return number and place of the first finding."""
    report = checking.verify(home, **asked)
    assert report.findings, "nothing was found"
    return report.findings[0].number, report.findings[0].place


def evidence(home: Path) -> Iterator[Path]:
    """Give every file that is evidence."""
    for place in ("ledger", "logs", "keys"):
        yield from sorted(p for p in (home / place).rglob("*") if p.is_file())


def test_a_home_that_was_not_touched_is_whole(whole: Path) -> None:
    report = checking.verify(whole)
    assert report.findings == []
    assert (report.ledgers, report.segments, report.opened, report.rows) == (1, 3, 3, 17)
    assert [why for _, why in report.believed] == ["genesis"]
    assert checking.verify(whole, deep=False).opened == 0


def flips(home: Path) -> Iterator[tuple[Path, int]]:
    """Give the bytes to flip: all of some files, some of files that are many or large."""
    for path in evidence(home):
        size = path.stat().st_size
        step = {".parquet": 211, ".groups": 1}.get(path.suffix, 3)
        if "checkpoints" in path.parts:
            step = 3 if path.name == "11" else 19
        if "entries" in path.parts:
            step = 23
        if path.name == "state":
            step = 1
        for at in sorted({*range(0, size, step), size - 1}):
            yield path, at


def missed(home: Path, places: Iterator[tuple[Path, int]], mask: int) -> list[str]:
    """Flip bytes one by one; return those that were not found, or in another file."""
    wrong = []
    for path, at in places:
        kept = path.read_bytes()
        path.write_bytes(kept[:at] + bytes([kept[at] ^ mask]) + kept[at + 1 :])
        found = checking.verify(home, deep="ledger" not in path.parts).findings
        place = str(path.relative_to(home))
        if not found or found[0].place != place:
            wrong.append(f"{place} {at}: {found[:2]}")
        path.write_bytes(kept)
    return wrong


def test_a_flipped_byte_is_found_and_its_file_is_named_first(home: Path) -> None:
    assert missed(home, flips(home), 0x01) == []


@pytest.mark.soak
@pytest.mark.parametrize("mask", [0x01, 0x20, 0x80, 0xFF])
def test_every_flipped_byte_is_found_and_its_file_is_named_first(home: Path, mask: int) -> None:
    places = ((p, at) for p in evidence(home) for at in range(p.stat().st_size))
    assert missed(home, places, mask) == []


def test_a_file_that_is_gone_short_or_long_is_found(home: Path) -> None:
    kept_checkpoints = {"10", "2", "3", "5", "6", "8"}
    wrong = []
    for path in list(evidence(home)):
        kept, place = path.read_bytes(), str(path.relative_to(home))
        for bent in (None, kept[:-1], kept + b"\0", b""):
            if bent is None and "checkpoints" in path.parts and path.name in kept_checkpoints:
                continue  # only the newest and those of hand-overs must be kept
            if bent == kept + b"\0" and path.suffix == ".ring":
                continue  # a torn last line of a ring is dropped
            if bent is None:
                path.unlink()
            else:
                path.write_bytes(bent)
            found = checking.verify(home).findings
            if place not in [f.place for f in found]:
                wrong.append(f"{place} {None if bent is None else len(bent)}: {found[:2]}")
            path.write_bytes(kept)
    assert wrong == []


def tamper(home: Path, place: str, data: bytes) -> None:
    (home / place).parent.mkdir(parents=True, exist_ok=True)
    (home / place).write_bytes(data)


@pytest.mark.parametrize(
    ("place", "number"),
    [
        (f"logs/{SITE}/demo/2027/03/04/1.parquet", "E-02"),
        (f"logs/{SITE}/demo/2027/03/04/0.parquet.bak", "E-02"),
        (f"logs/{SITE}/readme", "E-02"),
        ("logs/elsewhere/x", "E-02"),
        (f"{YEAR}/notes.txt", "E-25"),
        (f"{YEAR}/state.tmp", "E-25"),
        (f"{YEAR}/tile/0/1", "E-25"),
        (f"{YEAR}/checkpoints/013", "E-25"),
        (f"{YEAR}/checkpoints/14", "E-04"),
        (f"ledger/{SITE}/notes.txt", "E-25"),
        ("ledger/schema/notes.txt", "E-25"),
        (f"keys/{SITE}/notes.txt", "E-25"),
    ],
)
def test_a_file_that_does_not_belong_is_named(home: Path, place: str, number: str) -> None:
    tamper(home, place, b"")
    found = checking.verify(home).findings
    assert number in [f.number for f in found if place.startswith(f.place)]


@pytest.mark.parametrize("size", [0, 1, 12, 14, 257, 1 << 52])
def test_a_state_of_another_size_is_named_and_costs_no_time(home: Path, size: int) -> None:
    state = json.loads((home / YEAR / "state").read_bytes())
    tamper(home, f"{YEAR}/state", rfc8785.dumps({**state, "size": size}))
    assert first(home) == ("E-25", f"{YEAR}/state")
    shutil.rmtree(home / YEAR / "checkpoints")
    (home / YEAR / "checkpoint").unlink()
    assert f"{YEAR}/checkpoint" in [f.place for f in checking.verify(home).findings]


def test_a_missing_segment_or_sidecar_is_named(home: Path) -> None:
    for name in ("0.parquet", "0.groups"):
        path = home / f"logs/{SITE}/demo/2027/03/04/{name}"
        kept = path.read_bytes()
        path.unlink()
        assert first(home, deep=False) == ("E-02", str(path.relative_to(home)))
        path.write_bytes(kept)


def test_rows_written_anew_by_somebody_else_are_named_with_their_group(home: Path) -> None:
    """Whoever changes a row and the hash in the manifest's place still meets the tree."""
    place = f"logs/{SITE}/demo/2027/03/04/0.parquet"
    rows = read(home / place)[0]
    ports = rows["port"].to_pylist()
    ports[3] = 4444
    write(rows.set_column(4, "port", pa.array(ports, pa.int32())), home / place)
    found = checking.verify(home).findings
    assert {f.place for f in found} == {place}
    assert "E-25" in [f.number for f in found]


def resealed(home: Path, change: Callable[[list[dict[str, Any]]], None]) -> list[dict[str, Any]]:
    """Rewrite the newest ledger with root's powers and today's keys; return its entries."""
    folder = home / YEAR
    size = json.loads((folder / "state").read_bytes())["size"]
    told = [json.loads(e) for e in tiles.Tiles(folder, size).entries(0)]
    change(told)
    for name in ("tile", "checkpoints", "state", "checkpoint"):
        path = folder / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    made = ledger.Ledger(home, f"{SITE}/ledger/2027", put=_put)
    keys = [
        SigningKey.parse((home / "secrets" / f"prathu.{name}.{SITE}").read_text())
        for name in ("log", "epoch")
    ]
    epochs = [e["epoch"] for e in told if e["type"] == "epoch"]
    data = [rfc8785.dumps(e) for e in told]
    made.commit(data, keys, epoch=max(epochs, default=0))
    made.publish(keys)
    return told


def _put(path: Path, data: bytes, mode: int = 0o640) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def numbers(report: Report) -> set[str]:
    return {finding.number for finding in report.findings}


def test_a_past_signed_anew_lacks_the_hand_over(home: Path) -> None:
    resealed(home, lambda _: None)
    report = checking.verify(home)
    assert [(f.number, f.place) for f in report.findings] == [("E-25", f"{YEAR}/checkpoints/11")]


@pytest.mark.parametrize(
    ("change", "number"),
    [
        (lambda t: t[4].update(start=t[4]["start"] + 1), "E-01"),
        (lambda t: t[4]["logs"][0].__setitem__(1, 1), "E-01"),
        (lambda t: t[3].update(spool=[1, 6]), "E-01"),
        (lambda t: t[3].update(end=t[3]["end"] + 1), "E-01"),
        (lambda t: t[3].update(more=1), "E-11"),
        (lambda t: t[3].update(index=4), "E-11"),
        (lambda t: t[3].update(site="other"), "E-11"),
        (lambda t: t[3].update(rows=7), "E-17"),
        (lambda t: t[3].update(groups=1), "E-25"),
        (lambda t: t[3].update(received_max=str(BEGIN)), "E-17"),
        (lambda t: t[3].update(event_min=str(BEGIN - 1)), "E-17"),
        (lambda t: t[3].update(root="00" * 32), "E-25"),
        (lambda t: t[3].update(key_commit="00" * 32), "E-24"),
        (lambda t: t[3].update(schema="00" * 32), "E-12"),
        (lambda t: t[3]["file"].update(sha256="00" * 32), "E-25"),
        (lambda t: t[3]["file"].update(size=5), "E-25"),
        (lambda t: t[3]["clock"].update(source="ntp"), "E-23"),
        (lambda t: t[5].update(time=5), "E-23"),
        (lambda t: t[0].update(previous="text"), "E-22"),
        (lambda t: t[0].update(approvals=["a", "b"]), "E-22"),
        (lambda t: t[0].update(log_vkey=t[0]["epoch_vkey"]), "E-22"),
        (
            lambda t: t.append(
                {**t[1], "index": 13, "type": "close", "next": f"{SITE}/ledger/2028"}
            ),
            "E-11",
        ),
    ],
)
def test_a_ledger_rewritten_with_the_keys_of_today_still_fails(
    home: Path, change: Callable[[Any], Any], number: str
) -> None:
    resealed(home, change)
    assert number in numbers(checking.verify(home))


def test_a_close_without_the_next_ledger_is_found(home: Path) -> None:
    close = {"type": "close", "next": f"{SITE}/ledger/2028", "index": 13}
    common = ("v", "site", "time", "boot")
    resealed(home, lambda t: t.append({**{n: t[-1][n] for n in common}, **close}))
    assert "E-22" in numbers(checking.verify(home))


def test_an_older_ledger_put_back_is_found_by_what_is_left(home: Path) -> None:
    """The tail cut off: state, checkpoint and tiles of the day before."""
    resealed(home, lambda told: told.__delitem__(slice(11, None)))
    report = checking.verify(home)
    assert ("E-02", f"logs/{SITE}/demo/2027/03/05/3.parquet") in [
        (f.number, f.place) for f in report.findings
    ]


def test_a_segment_sealed_with_another_order_or_subject_is_found(home: Path) -> None:
    """Rows under the wrong tag: the file and the sidecar agree, the key does not."""
    place = home / f"logs/{SITE}/demo/2027/03/04/0.parquet"
    rows = read(place)[0]
    people: list[Any] = rows["person"].to_pylist()
    other = {"p-0001": "p-0009"}
    swapped = pa.array([other.get(p, p) for p in people], pa.string())
    write(rows.set_column(2, "person", swapped), place)
    digest = segment.build(read(place)[0], read_schema(DEMO), bytes(32)).digest
    place.with_suffix(".groups").write_bytes(digest.sidecar)

    def change(told: list[dict[str, Any]]) -> None:
        entry = next(e for e in told if e["type"] == "segment")
        data = place.read_bytes()
        entry["file"].update(size=len(data), sha256=hashlib.sha256(data).hexdigest())
        entry.update(root=digest.root.hex(), groups=len(digest.groups))

    resealed(home, change)
    found = checking.verify(home).findings
    assert any(f.number in ("E-15", "E-24") and f.place.endswith("0.parquet") for f in found)


def test_without_the_ring_key_nothing_deep_is_called_whole(home: Path) -> None:
    assert first(home, kek=None) == ("E-24", "secrets/prathu.kek")
    assert first(home, kek=bytes(32))[0] == "E-24"


def test_a_key_from_outside_is_believed_and_another_is_not(whole: Path) -> None:
    genesis = json.loads(tiles.Tiles(whole / YEAR, 13).entries(0)[0])
    right = note.parse_vkey(genesis["log_vkey"])
    report = checking.verify(whole, vkeys=(right,))
    assert report.whole
    assert [why for _, why in report.believed] == ["given"]
    wrong = SigningKey(right.name, bytes(32)).vkey
    assert first(whole, vkeys=(wrong,)) == ("E-03", f"{YEAR}/checkpoint")
    of_another_year = SigningKey(f"{SITE}/ledger/2030", bytes(32)).vkey
    assert first(whole, vkeys=(of_another_year,)) == ("E-03", f"{YEAR}/checkpoint")


def test_the_key_of_this_year_vouches_for_the_years_before(tmp_path: Path) -> None:
    school = School(tmp_path, begin_us=BEGIN + 302 * DAY)
    school.start()
    school.hour(3)
    school.now_us += 2 * DAY
    school.start()
    school.hour(3)
    newest = note.parse_vkey(school.sealer.log_vkey)
    school.sealer.stop()
    report = checking.verify(tmp_path, vkeys=(newest,))
    assert report.whole
    assert [why for _, why in report.believed] == ["given", "linked"]
    folder = tmp_path / YEAR
    kept = (folder / "checkpoint").read_bytes()
    (folder / "checkpoint").write_bytes(kept[:-20] + kept[-19:])
    assert "E-22" in numbers(checking.verify(tmp_path, vkeys=(newest,)))
    shutil.rmtree(folder)
    assert "E-22" in numbers(checking.verify(tmp_path, vkeys=(newest,)))


def test_only_the_segments_of_the_time_asked_for_are_opened(home: Path) -> None:
    report = checking.verify(home, from_us=BEGIN + 2 * HOUR, to_us=BEGIN + 3 * HOUR)
    assert (report.segments, report.opened, report.rows) == (3, 1, 6)
    parquet = home / f"logs/{SITE}/demo/2027/03/05/3.parquet"
    data = parquet.read_bytes()
    parquet.write_bytes(data[:-1] + b"\0")
    assert checking.verify(home, to_us=BEGIN + 3 * HOUR).whole
    assert not checking.verify(home, from_us=BEGIN + DAY).whole


def test_the_epoch_key_of_one_day_cannot_sign_the_day_before(home: Path) -> None:
    """Re-sign the first day with the newest key: the log key is there, the old epoch key is not."""
    log, epoch = (
        SigningKey.parse((home / "secrets" / f"prathu.{name}.{SITE}").read_text())
        for name in ("log", "epoch")
    )
    path = home / YEAR / "checkpoints" / "6"
    text = note.parse(path.read_bytes()).text
    path.write_bytes(text + b"\n" + log.sign(text) + epoch.sign(text))
    assert first(home) == ("E-03", f"{YEAR}/checkpoints/6")


def test_a_running_box_is_verified_between_its_commits(tmp_path: Path) -> None:
    school = School(tmp_path)
    school.start()
    for rows in (5, 0, 3):
        school.hour(rows)
        assert checking.verify(tmp_path).whole


def test_progress_is_told(whole: Path) -> None:
    told: list[tuple[str, int, int]] = []
    kek = (whole / "secrets" / "prathu.kek").read_bytes()
    question = seal_verify.Question(deep=True, kek=kek)
    seal_verify.verify(whole, question, read=read, progress=lambda *a: told.append(a))
    assert told[-1][1] == told[-1][2] > 0
    assert f"{SITE}/demo/0" in [what for what, _, _ in told]
