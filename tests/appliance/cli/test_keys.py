"""`prathu keys`: a key on paper, and going on without a lost key."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from appliance.cli.init import FOLDERS
from collector.seal import recovery
from tests.appliance.cli.boxes import Box

LOG, EPOCH = "secrets/prathu.log.school-a", "secrets/prathu.epoch.school-a"
TYPED = "mayuree-2569!\nsomsak-2569!\n"


@pytest.fixture
def box(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Box:
    made = Box(tmp_path, capsys, monkeypatch, sites=())
    for folder in FOLDERS:
        (tmp_path / folder).mkdir()
    for account, password in zip(("mayuree", "somsak"), TYPED.splitlines(), strict=True):
        words = ("people", "add", account, "--role", "admin", "--password-stdin")
        assert made.prathu(*words, typed=password).status == 0
    assert made.prathu("people", "add", "pupil", "--password-stdin", typed="mayuree-2569!").out
    assert made.prathu("seal", "--now").status == 0
    return made


def replace(box: Box, *accounts: str, typed: str = TYPED) -> tuple[int, str]:
    words = [word for account in accounts for word in ("--approve", account)]
    said = box.prathu("keys", "replace", *words, typed=typed)
    return said.status, said.err


def test_two_people_let_the_box_go_on_without_its_keys(box: Box) -> None:
    (box.home / EPOCH).unlink()
    lost = box.prathu("seal", "--now")
    assert lost.status == 3
    assert "prathu keys replace" in lost.err
    status, told = replace(box, "mayuree", "somsak")
    assert status == 0
    assert "the epoch key of school-a/ledger/" in told
    (box.home / LOG).unlink()
    assert replace(box, "mayuree", "somsak")[0] == 0
    assert box.prathu("seal", "--now").status == 0
    said = box.prathu("--json", "verify", "--deep")
    assert said.status == 0
    assert len([note for note in json.loads(said.out)["notes"] if "lost" in note]) == 2


@pytest.mark.parametrize(
    ("accounts", "typed", "told"),
    [
        (["mayuree"], TYPED, "two people"),
        (["mayuree", "mayuree"], "mayuree-2569!\nmayuree-2569!\n", "twice"),
        (["mayuree", "somsak"], "mayuree-2569!\nwrong\n", "somsak"),
        (["mayuree", "pupil"], "mayuree-2569!\nmayuree-2569!\n", "no role"),
        (["mayuree", "somsak"], "mayuree-2569!\n", "no further line"),
    ],
)
def test_one_person_is_not_enough(box: Box, accounts: list[str], typed: str, told: str) -> None:
    (box.home / EPOCH).unlink()
    status, said = replace(box, *accounts, typed=typed)
    assert status == 2
    assert told in said
    assert box.prathu("seal", "--now").status == 3


def test_nothing_is_replaced_where_nothing_is_lost(box: Box) -> None:
    kept = (box.home / LOG).read_bytes()
    status, said = replace(box, "mayuree", "somsak")
    assert (status, "nothing was replaced" in said) == (1, True)
    assert (box.home / LOG).read_bytes() == kept


def test_the_paper_brings_the_ring_key_back(box: Box) -> None:
    made = json.loads(box.prathu("--json", "keys", "recovery").out)
    assert made["sealed"]
    assert recovery.recipient_of(box.home) == made["public"]
    assert json.loads(box.prathu("--json", "status").out)["recovery_key"] == made["public"]
    kept = (box.home / "secrets/prathu.kek").read_bytes()
    assert box.prathu("keys", "restore", typed=made["private"]).status == 2
    (box.home / "secrets/prathu.kek").unlink()
    assert "prathu keys restore" in box.prathu("seal", "--now").err
    assert box.prathu("keys", "restore", typed=recovery.pair()[1] + "\n").status == 3
    assert box.prathu("keys", "restore", typed=made["private"] + "\n").status == 0
    assert (box.home / "secrets/prathu.kek").read_bytes() == kept
    assert box.prathu("seal", "--now").status == 0
    assert box.prathu("verify", "--deep").status == 0
    spoken = b"".join(p.read_bytes() for p in box.home.rglob("*") if p.is_file())
    assert made["private"].encode() not in spoken


def test_another_paper_takes_the_place_of_the_first(box: Box) -> None:
    first = json.loads(box.prathu("--json", "keys", "recovery").out)
    refused = box.prathu("keys", "recovery")
    assert (refused.status, "--again" in refused.err) == (2, True), (
        "a paper is not made void unseen"
    )
    said = box.prathu("--json", "keys", "recovery", "--again")
    assert "Keep the old paper" in said.err
    second = json.loads(said.out)
    assert first["public"] != second["public"]
    (box.home / "secrets/prathu.kek").unlink()
    assert box.prathu("keys", "restore", typed=first["private"] + "\n").status == 3
    assert box.prathu("keys", "restore", typed=second["private"] + "\n").status == 0


def test_a_lost_ring_key_without_paper_is_replaced_by_two_people(box: Box) -> None:
    (box.home / "secrets/prathu.kek").unlink()
    status, told = replace(box, "mayuree", "somsak")
    assert status == 0
    assert "ring key was lost" in told
    assert box.prathu("seal", "--now").status == 0
    assert box.prathu("verify").status == 0


def test_status_tells_how_the_keys_lie_and_what_is_in_quarantine(box: Box) -> None:
    (box.home / "quarantine").mkdir()
    (box.home / "quarantine/01J0000000000000000000000A").mkdir()
    said = box.prathu("status").out
    assert "plain files with mode 0600" in said
    assert "no recovery key" in said
    assert "ALARM     quarantine/01J0000000000000000000000A" in said
    (box.home / "secrets/prathu.kek").write_bytes(bytes(60))
    assert "wrapped under the credential" in box.prathu("status").out
    assert "is wrapped; only its service opens it" in box.prathu("seal", "--now").err


def test_the_keys_of_all_ledgers_are_a_policy_that_verifies_the_home(box: Box) -> None:
    for words, lines in (((), 2), (("--ml-dsa",), 3)):
        said = box.prathu("keys", "policy", *words)
        assert (said.status, len(said.out.splitlines())) == (0, lines)
        (box.home / "kept.txt").write_text(said.out)
        assert box.prathu("verify", "--policy", str(box.home / "kept.txt")).status == 0
    kept = (box.home / "kept.txt").read_text()
    other = kept.replace("log school-a/ledger/", "log school-b/ledger/")
    (box.home / "kept.txt").write_text(other)
    assert box.prathu("verify", "--policy", str(box.home / "kept.txt")).status != 0


def test_a_service_with_a_credential_wraps_the_secrets_and_verifies_with_it(box: Box) -> None:
    folder = box.home / "credentials"
    folder.mkdir()
    (folder / "prathu.wrap").write_bytes(b"w" * 32)
    box.patch.setenv("CREDENTIALS_DIRECTORY", str(folder))
    assert box.prathu("seal", "--now").status == 0
    assert "wrapped under the credential" in box.prathu("status").out
    assert box.prathu("verify", "--deep").status == 0
    box.patch.delenv("CREDENTIALS_DIRECTORY")
    assert "only its service opens it" in box.prathu("seal", "--now").err
    assert box.prathu("verify", "--deep").status == 1


@pytest.mark.parametrize(
    "bend", [lambda k: k[:-1] + ("q" if k[-1] != "q" else "p"), lambda _: "age1x"]
)
def test_a_mistyped_recovery_key_is_told_by_check(box: Box, bend: Callable[[str], str]) -> None:
    (box.home / "prathu.d").mkdir()
    wrong = bend(recovery.pair()[0])
    (box.home / "prathu.d/mine.toml").write_text(f'[keys]\nrecovery = "{wrong}"\n')
    for words in (("check",), ("seal", "--now")):
        said = box.prathu(*words)
        assert (said.status, "prathu keys recovery prints" in said.err) == (2, True)
