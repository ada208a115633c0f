"""`prathu verify` as a person and a script meet it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from appliance.cli.main import run
from collector.seal.note import SigningKey
from tests.collector.seal.school import BEGIN, HOUR, SITE, School


@pytest.fixture
def home(tmp_path: Path) -> Path:
    school = School(tmp_path)
    school.start()
    school.hour(6)
    school.hour(4)
    school.sealer.stop()
    return tmp_path


def ask(home: Path, *words: str, before: tuple[str, ...] = ()) -> int:
    with pytest.raises(SystemExit) as ended:
        run(["--home", str(home), *before, "verify", *words])
    return ended.value.code if isinstance(ended.value.code, int) else 0


def test_a_whole_home_is_said_to_be_whole(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(home, "--deep") == 0
    told = capsys.readouterr().out
    assert told.startswith("whole: ")
    assert "2 segments opened, 10 rows checked" in told
    assert "give --vkey" in told


def test_without_deep_it_says_what_was_not_looked_at(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ask(home) == 0
    assert "--deep checks every byte and row" in capsys.readouterr().out


def test_a_period_that_opens_nothing_is_said(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ask(home, "--from", "2027-03-04") == 0
    assert "nothing is opened now" in capsys.readouterr().err
    assert ask(home, "--deep", "--from", "2027-03-04", "--to", "2027-03-03") == 2
    assert "--from is not before --to" in capsys.readouterr().err


def test_a_changed_byte_is_named_with_its_number(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = f"logs/{SITE}/demo/2027/03/04/1.parquet"
    data = bytearray((home / place).read_bytes())
    data[40] ^= 1
    (home / place).write_bytes(data)
    assert ask(home) == 0
    assert ask(home, "--deep") == 1
    assert f"not whole: E-25 {place}: " in capsys.readouterr().out
    assert ask(home, "--deep", "--to", "2027-03-04T02:00:00Z") == 1
    assert ask(home, "--deep", "--to", "2027-03-04T01:30:00Z") == 0


def test_as_json_everything_is_there(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(home, "--deep", before=("--json",)) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["whole"] is True
    assert (told["segments"], told["opened"], told["rows"]) == (2, 2, 10)
    vkey, why = told["believed"][0]
    assert vkey.startswith(f"{SITE}/ledger/2027+")
    assert why == "genesis"


def test_a_key_kept_elsewhere_is_believed(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ask(home, before=("--json",))
    vkey = json.loads(capsys.readouterr().out)["believed"][0][0]
    policy = tmp_path / "policy"
    policy.write_text(f"log {vkey}\nquorum none\n")
    for words in (("--vkey", vkey), ("--policy", str(policy))):
        assert ask(home, *words) == 0
        assert "given from outside" in capsys.readouterr().out
    other = SigningKey(f"{SITE}/ledger/2027", bytes(32)).vkey.text
    assert ask(home, "--vkey", other) == 1
    assert "not whole: E-03" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words",
    [("--vkey", "nonsense"), ("--policy", "/does/not/exist"), ("--from", "whenever"),
     ("--vkey", SigningKey("somebody", bytes(32)).vkey.text)],
)  # fmt: skip
def test_wrong_use_is_one_line_and_status_two_or_three(
    home: Path, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert ask(home, *words) in (2, 3)
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.count("\n") == 1
    assert "Traceback" not in told.err


def test_where_there_is_no_ledger_it_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ask(tmp_path) == 2
    assert "no ledger in" in capsys.readouterr().err


def test_without_the_ring_key_deep_is_no(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "secrets" / "prathu.kek").unlink()
    assert ask(home, "--deep") == 1
    assert "E-24 secrets/prathu.kek" in capsys.readouterr().out


def test_a_running_box_may_be_verified(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    school = School(tmp_path, begin_us=BEGIN)
    school.start()
    school.hour(3, step_us=HOUR)
    assert ask(tmp_path, "--deep") == 0
    school.hour(3)
    assert ask(tmp_path, "--deep") == 0
    assert "whole" in capsys.readouterr().out
    school.sealer.stop()
