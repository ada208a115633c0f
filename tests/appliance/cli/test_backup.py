"""A backup leaves the box, and comes back on an empty machine with its proof."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import signal
import tarfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pyrage import x25519

from appliance.backup import archive
from appliance.backup.target import Folder
from appliance.cli import backup_schedule, main
from appliance.errors import BoxError
from appliance.settings import load
from collector import durable
from collector.records import moment
from collector.seal import recovery
from collector.settings import SpoolSettings
from collector.spool import SpoolWriter
from tests.appliance.cli import boxes, test_hold
from tests.appliance.cli.boxes import Box, Said
from tests.collector.homes import flow_frame

clock = test_hold.clock


class Shop:
    """A box with some sealed flows, a paper key, and a disk beside it."""

    def __init__(self, box: Box, folder: Path, clock: test_hold.Clock) -> None:
        self.box, self.disk, self.clock = box, folder / "disk", clock
        public, self.paper = recovery.pair()
        drop_ins = box.home / "prathu.d"
        drop_ins.mkdir()
        (drop_ins / "recovery.toml").write_text(f'[keys]\nrecovery = "{public}"\n')
        self.seal(5)

    def seal(self, flows: int, home: Path | None = None) -> None:
        """Receive flows and seal them."""
        home = home or self.box.home
        with SpoolWriter(home / "spool", SpoolSettings(), clock=self.clock) as writer:
            frame = flow_frame(moment(self.clock() // 1000), 1000, flows)
            writer.wait_durable(writer.append(frame))
        assert self.at(home, "seal", "--now").status == 0

    def backup(self, *words: str) -> dict[str, Any]:
        said = self.box.prathu("--json", "backup", str(self.disk), *words)
        assert said.status == 0, said.err
        return dict(json.loads(said.out))

    def there(self) -> list[str]:
        return sorted(str(p.relative_to(self.disk)) for p in self.disk.rglob("*") if p.is_file())

    def at(self, home: Path, *words: str, typed: str = "") -> Said:
        """Run the command line on another home."""
        self.box.patch.setattr("sys.stdin", io.StringIO(typed))
        status = 0
        try:
            main.run(["--home", str(home), *words])
        except SystemExit as end:
            status = int(end.code or 0)
        said = self.box.capsys.readouterr()
        return Said(status, said.out, said.err)

    def restore(self, home: Path, *words: str, key: str = "") -> Said:
        return self.at(
            home, "--json", "restore", str(self.disk), *words, typed=f"{key or self.paper}\n"
        )


@pytest.fixture
def shop(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    clock: test_hold.Clock,
) -> Shop:
    monkeypatch.setattr(os, "fsync", lambda _: None)
    (tmp_path / "box").mkdir()
    box = Box(tmp_path / "box", capsys, monkeypatch, sites=())
    for folder in ("run", "spool", "stage", "database"):
        (tmp_path / "box" / folder).mkdir()
    return Shop(box, tmp_path, clock)


def staff(shop: Shop) -> None:
    """Let two people have roles."""
    boxes.staff(shop.box.home, "mayuree", "somsak", password=boxes.PASSWORD)


TWO = ("--approve", "mayuree", "--approve", "somsak")
TYPED = f"{boxes.PASSWORD}\n" * 2


def test_a_restored_home_is_whole_and_goes_on(shop: Shop, tmp_path: Path) -> None:
    staff(shop)
    made = shop.backup("--logs")
    assert made["segments_new"] > 0
    said = shop.restore(tmp_path / "new")
    assert said.status == 0, said.err
    told = json.loads(said.out)
    assert (told["whole"], told["missing"], told["findings"]) == (True, 0, [])
    assert "prathu keys replace" in said.err
    assert re.search(r"school-a/ledger/\d{4} ends at \d+ entries, the last of \d{4}-", said.err)
    assert "prathu outside --now" in said.err
    home = tmp_path / "new"
    assert not list((home / "secrets").glob("prathu.log*"))
    assert (home / "secrets/prathu.kek").read_bytes() == (
        shop.box.home / "secrets/prathu.kek"
    ).read_bytes()
    approved = shop.at(home, "keys", "replace", *TWO, typed=TYPED)
    assert approved.status == 0, approved.err
    shop.seal(4, home)
    verified = shop.at(home, "--json", "verify", "--deep")
    assert verified.status == 0, verified.out
    assert json.loads(verified.out)["ledgers"] == 2
    assert shop.at(home, "--json", "search", "*").out.count('"src_port"') == 9


def test_what_people_and_pages_hang_on_comes_back(shop: Shop, tmp_path: Path) -> None:
    home, new = shop.box.home, tmp_path / "new"
    files = ("database/person.key", "database/nt.key", "pages/logo.png", "nas/ldap-password")
    for name in (*files, "radius/eap-ca.pem", "tls/sign-in.key"):
        (home / name).parent.mkdir(exist_ok=True)
        (home / name).write_bytes(name.encode())
    shop.backup("--logs")
    assert shop.restore(new).status == 0
    for name in files:
        assert (new / name).read_bytes() == name.encode()


def test_a_new_paper_opens_the_newest_backup_with_all_its_segments(
    shop: Shop, tmp_path: Path
) -> None:
    first = shop.backup("--logs")
    made = shop.box.prathu("--json", "keys", "recovery", "--again")
    assert made.status == 0, made.err
    second = shop.backup("--logs")
    assert second["segments_new"] >= first["segments_there"]
    assert second["segments_new"] == second["segments_there"]
    assert shop.backup("--logs")["segments_new"] <= 1, "only what the last backup left in audit"
    said = shop.restore(tmp_path / "new", key=json.loads(made.out)["private"])
    assert said.status == 0, said.err


def test_only_new_segments_go_and_destroyed_ones_are_destroyed_there_too(shop: Shop) -> None:
    first = shop.backup("--logs")
    shop.clock.ahead += timedelta(hours=1)
    shop.seal(3)
    second = shop.backup("--logs")
    assert 0 < second["segments_new"] < first["segments_new"] + 3
    assert second["segments_there"] == first["segments_new"] + second["segments_new"]
    shop.clock.ahead += timedelta(days=200)
    assert shop.box.prathu("retention", "run").status == 0
    third = shop.backup("--logs")
    assert third["segments_gone"] > 0
    assert third["archives_gone"] == 2
    assert sum(name.endswith(".tar.age") for name in shop.there()) == 1


def test_nothing_readable_and_no_signing_key_leaves(shop: Shop, tmp_path: Path) -> None:
    made = shop.backup("--logs")
    plain = tmp_path / "plain.tar"
    identity = x25519.Identity.from_str(shop.paper)
    archive.decrypt(shop.disk / made["archive"], plain, identity)
    data = plain.read_bytes()
    secrets = shop.box.home / "secrets"
    for name in ("prathu.kek", "prathu.log.school-a", "prathu.epoch.school-a", "backup.key"):
        assert (secrets / name).read_bytes().strip() not in data, name
    assert b"prathu.toml" in data
    leaving = b"".join((shop.disk / name).read_bytes() for name in shop.there())
    assert b"school-a/ledger" not in leaving
    assert not list((shop.box.home / "stage" / "backup").iterdir())


def test_without_segments_the_box_goes_on_and_what_is_not_here_is_told_apart(
    shop: Shop, tmp_path: Path
) -> None:
    staff(shop)
    shop.clock.ahead += timedelta(hours=1)
    shop.seal(2)
    shop.backup()
    home = tmp_path / "new"
    said = shop.restore(home)
    assert said.status == 1
    told = json.loads(said.out)
    assert told["missing"] > 1
    assert all(line.startswith("E-02") for line in told["findings"])
    assert "all else is whole" in said.err
    assert shop.at(home, "keys", "replace", *TWO, typed=TYPED).status == 0
    shop.seal(4, home)
    shop.clock.ahead += timedelta(hours=1)
    shop.seal(3, home)
    verified = shop.at(home, "verify", "--deep")
    assert verified.status == 1
    assert verified.out.startswith("not whole: what is here is as it was sealed, but not all is")
    assert f"not here: E-02 {2 * told['missing']} files are missing: logs/school-a/" in verified.out
    # Another finding is another matter.
    odd = home / "logs" / "school-a" / "odd"
    odd.write_text("what is this?")
    assert shop.at(home, "verify").out.startswith("not whole: E-02 logs/school-a/odd: the file has")
    odd.unlink()
    # What was found elsewhere can be brought back, what cannot is declared.
    back = sorted((shop.box.home / "logs").rglob("flows/**/0.*"))
    for path in back:
        place = home / path.relative_to(shop.box.home)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, place)
    listed = shop.at(home, "--json", "retention", "lost").lines()
    assert len(listed) == told["missing"] - 1
    words = ("--cause", "not-restored", "--reason", "เครื่องเดิมเสีย ไม่มีสำเนา", "--all")
    done = shop.at(home, "--json", "retention", "lost", *words, *TWO, typed=TYPED)
    assert done.status == 0, done.err
    assert done.lines() == [{"lost": len(listed)}]
    verified = shop.at(home, "verify", "--deep")
    assert verified.status == 0, verified.out
    assert verified.out.startswith("whole, but for what two people said is lost")
    assert "rows: not-restored, by " in verified.out
    (kept,) = (home / "state" / "lost").iterdir()
    assert json.loads(kept.read_bytes())["reason"] == words[3]


def test_a_segment_that_a_disk_lost_stops_the_box_until_two_people_say_so(shop: Shop) -> None:
    staff(shop)
    (path,) = (shop.box.home / "logs" / "school-a" / "flows").rglob("*.parquet")
    kept = path.read_bytes()
    path.unlink()
    said = shop.box.prathu("seal", "--now")
    assert (said.status, "prathu retention lost" in said.err) == (3, True)
    (row,) = shop.box.prathu("--json", "retention", "lost").lines()
    assert (row["segment"], row["rows"]) == ("school-a/flows/0", 5)
    words = ("retention", "lost", "school-a/flows/0", "--cause", "disk-fault")
    for more, typed, told in (
        ((), "", "what happened?"),
        (("--reason", "x"), "", "two people must approve"),
        (("--reason", "x", *TWO[:2]), "", "two people must approve"),
        (("--reason", "x", *TWO[:2], *TWO[:2]), TYPED, "one person cannot approve twice"),
        (("--reason", "x", *TWO), "correct horse\nwrong\n", "somsak: "),
        (("school-a/flows/7", "--reason", "x", *TWO), TYPED, "is no segment that is gone"),
    ):
        said = shop.box.prathu(*words, *more, typed=typed)
        assert (said.status in (2, 3), told in said.err) == (True, True), said.err
        assert said.err.count("\n") == 1
    said = shop.box.prathu(*words, "--reason", "disk 2 failed", *TWO, typed=TYPED)
    assert said.status == 0, said.err
    assert shop.box.prathu("verify", "--deep").status == 0
    assert any(event.act == "lost" for event in shop.box.audits())
    path.write_bytes(kept[:-1] + b"x")
    assert shop.box.prathu("verify", "--deep").status == 1
    path.write_bytes(kept)
    assert shop.box.prathu("verify", "--deep").out.startswith("whole: every entry")
    said = shop.box.prathu(*words, "--reason", "x", *TWO, typed=TYPED)
    assert "is no segment that is gone" in said.err


def test_a_rehearsal_leaves_an_entry(shop: Shop) -> None:
    told = shop.backup("--logs", "--rehearse")
    assert ": whole; " in told["rehearsal"]
    assert any(event.act == "rehearsal" and "whole" in event.target for event in shop.box.audits())
    path = next(p for p in shop.disk.rglob("*.parquet.age"))
    path.write_bytes(path.read_bytes()[:-20])
    said = shop.box.prathu("--json", "backup", str(shop.disk), "--logs", "--rehearse")
    assert said.status == 3
    assert "does not open" in said.err
    last = shop.box.audits()[-1]
    assert last.act == "rehearsal"
    assert last.target.startswith("FAILED: ")
    assert "does not open" in last.target
    assert not list((shop.box.home / "stage").glob("rehearsal-*"))
    status = shop.box.prathu("status").out
    assert "ALARM     the last rehearsal failed: " in status
    assert "last backup: 20" in status


def test_segments_that_never_reached_the_backup_fail_its_rehearsal(shop: Shop) -> None:
    told = shop.backup("--rehearse")
    assert "0 segments, " in told["rehearsal"]
    assert " left out, " in told["rehearsal"]
    put = Folder.put

    def forgetful(folder: Folder, name: str, source: Path) -> None:
        if "/flows/" not in name:
            put(folder, name, source)

    shop.box.patch.setattr(Folder, "put", forgetful)
    said = shop.box.prathu("backup", str(shop.disk), "--logs", "--rehearse")
    assert said.status == 3
    assert "1 segments are not there, such as logs/school-a/flows/" in said.err


def test_what_the_box_makes_by_itself_is_said_to_be_its_own(shop: Shop) -> None:
    settings = shop.box.home / "prathu.d" / "backup.toml"
    settings.write_text(f'[backup]\nto = "{shop.disk}"\nlogs = true\n')
    said = shop.box.prathu("status")
    assert "backup    last backup: never; due " in said.out
    shop.box.patch.setattr(os, "nice", lambda by: by)
    shop.box.patch.setattr(signal, "signal", lambda *_: None)
    assert shop.box.prathu("-q", "backup", "--by-itself", "--rehearse").status == 0
    told = [event for event in shop.box.audits() if event.act in ("backup", "rehearsal")]
    assert [(event.act, event.actor) for event in told] == [("backup", "box"), ("rehearsal", "box")]
    now_us = shop.clock() // 1000
    assert backup_schedule.due_now(shop.box.home, load(shop.box.home), now_us) == set()
    status = json.loads(shop.box.prathu("--json", "status").out)["backup"]
    assert status["rehearsal"]["told"].endswith(" rows")
    assert status["backup"]["due_us"] > now_us
    elsewhere = shop.box.prathu("backup", str(shop.disk) + "-stick", "--rehearse")
    assert elsewhere.status == 0, elsewhere.err
    again = json.loads(shop.box.prathu("--json", "status").out)["backup"]
    assert again["backup"]["told"] == status["backup"]["told"]


def test_a_second_backup_at_once_is_refused_in_one_line(shop: Shop) -> None:
    with durable.Lock(shop.box.home / "run" / "backup.lock"):
        said = shop.box.prathu("backup", str(shop.disk))
    assert (said.status, "a backup is being made already" in said.err) == (3, True)
    assert not shop.disk.exists()


def test_a_rehearsal_leaves_room_for_what_arrives(shop: Shop) -> None:
    killed = shop.box.home / "stage" / "rehearsal-killed" / "logs"
    killed.mkdir(parents=True)
    full = shutil.disk_usage(shop.box.home)._replace(free=0)
    shop.box.patch.setattr(shutil, "disk_usage", lambda _: full)
    said = shop.box.prathu("backup", str(shop.disk), "--logs", "--rehearse")
    assert (said.status, "no room in" in said.err) == (3, True)
    assert not killed.exists()


@pytest.mark.parametrize(
    ("words", "key", "told"),
    [
        ([], "AGE-SECRET-KEY-1NONSENSE", "no private half"),
        (["--archive", "prathu-20200101T000000Z.tar.age"], "", "there is no backup"),
    ],
)
def test_a_restore_that_cannot_be_is_one_line(
    shop: Shop, tmp_path: Path, words: list[str], key: str, told: str
) -> None:
    shop.backup()
    said = shop.restore(tmp_path / "new", *words, key=key)
    assert said.status in (1, 2, 3)
    assert told in said.err
    other = shop.restore(tmp_path / "other", key=recovery.pair()[1])
    assert (other.status, "does not open with this key" in other.err) == (3, True)
    again = shop.restore(shop.box.home)
    assert (again.status, "is a home already" in again.err) == (2, True)


def test_a_backup_needs_a_paper_and_another_disk(shop: Shop) -> None:
    said = shop.box.prathu("backup", str(shop.box.home / "here"))
    assert (said.status, "lies in the home itself" in said.err) == (2, True)
    (shop.box.home / "prathu.d" / "recovery.toml").unlink()
    said = shop.box.prathu("backup", str(shop.disk))
    assert (said.status, "there is no key on paper" in said.err) == (2, True)
    said = shop.box.prathu("backup")
    assert "where to?" in said.err


def test_an_archive_writes_nowhere_else(tmp_path: Path) -> None:
    path = tmp_path / "bad.tar"
    for name in ("../out", "/etc/out", "logs/x", "run/seal.sock"):
        with tarfile.open(path, "w") as tar:
            head = json.dumps({"format": archive.FORMAT}).encode()
            info = tarfile.TarInfo(archive.HEAD)
            info.size = len(head)
            tar.addfile(info, io.BytesIO(head))
            tar.addfile(tarfile.TarInfo(name))
        with pytest.raises(BoxError, match="a member that is none"):
            archive.unpack(path, tmp_path / "home")
    path.write_bytes(b"nothing of the kind" * 100)
    with pytest.raises(BoxError, match="damaged"):
        archive.unpack(path, tmp_path / "home")
