"""`prathu` itself: whatever is wrong, one line says so, and the status says which kind it was."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from appliance.cli import main, version
from collector import VERSION
from tests.appliance.cli.boxes import Box


@pytest.fixture
def box(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Box:
    return Box(tmp_path, capsys, monkeypatch)


ZONE = "[[zones]]\nid = 'pupils'\nsite = 'school-a'\nnetworks = ['10.20.0.0/20']\n"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["frobnicate"], "No such command 'frobnicate'"),
        (["statsu"], "Did you mean 'status'?"),
        (["search"], "Missing argument 'question'; see: prathu search --help"),
        (["search", "*", "--limit", "many"], "'--limit': Input should be a valid integer"),
        (["ingest", "x"], "Missing option '--log'. Choose from: flows, events"),
        (["ingest", "x", "--log", "pcap"], "'pcap' is not one of 'flows', 'events'"),
        (["verify", "--deeep"], "No such option: --deeep"),
        (["people", "list", "--json"], "stands before the verb: prathu --json people list"),
        (["verify", "--policy", "nowhere"], "nowhere"),
    ],
)
def test_wrong_words_are_one_line_and_status_2(box: Box, words: list[str], told: str) -> None:
    (box.home / "ledger").mkdir()
    said = box.prathu(*words)
    assert (said.status, said.out) == (2, "")
    assert said.err.startswith("prathu: ")
    assert told in said.err
    assert len(said.err.splitlines()) == 1


def test_the_version_is_told_with_the_commit_where_it_is_known(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = box.prathu("--version")
    assert (said.status, said.err) == (0, "")
    assert re.fullmatch(rf"prathu {VERSION}( \(commit [0-9a-f]{{40}}\+?\))?\n", said.out)
    monkeypatch.setattr(version, "_HERE", box.home)
    assert box.prathu("--version").out == f"prathu {VERSION}\n"


def test_a_folder_of_verbs_alone_shows_its_help(box: Box) -> None:
    said = box.prathu("people")
    assert said.status == 2
    assert "disable" in said.out
    assert said.err == ""


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (IsADirectoryError(21, "Is a directory", "var/a.toml"), "var/a.toml: Is a directory"),
        (OSError(28, "No space left on device"), "No space left on device; see the disk (df)"),
        (
            PermissionError(13, "Permission denied", "var/keys"),
            "var/keys: Permission denied; run it as the user of the box, or with sudo",
        ),
    ],
)
def test_an_error_of_the_system_says_which_file(
    box: Box, monkeypatch: pytest.MonkeyPatch, error: OSError, line: str
) -> None:
    def app(**_: object) -> None:
        raise error

    monkeypatch.setattr(main, "app", app)
    monkeypatch.setattr(main, "register", lambda _: None)
    said = box.prathu("check")
    assert (said.status, said.err) == (3, f"prathu: {line}\n")


def test_a_home_of_somebody_else_says_whose_command_it_is(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    said = box.prathu("check")
    line = f"prathu: {box.home}: Permission denied; run it as the user of the box, or with sudo\n"
    assert (said.status, said.err) == (3, line)


def test_the_status_of_a_verb_is_the_status_of_the_command(box: Box) -> None:
    assert box.prathu("people", "disable", "nobody", "--site", "school-a").status == 1


def test_check_tells_that_the_sniffing_program_lacks_scapy(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = box.home / "prathu.d"
    folder.mkdir(exist_ok=True)
    settings = '[[sniff]]\nsite = "school-a"\ninterface = "br0"\n'
    (folder / "sniff.toml").write_text(settings)
    assert box.prathu("check").status == 0
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    said = box.prathu("check")
    assert (said.status, said.err.count("\n")) == (2, 1)
    assert "scapy is not installed" in said.err


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ("[sign_in]\ntls_port = 8443\ncertificate = 'tls/none.pem'\n", "none.pem with"),
        (f"{ZONE}logo = 'pages/none.png'\n", "none.png: No such file"),
        (f"{ZONE}notice = 'pages/none'\n", "none: No such file"),
    ],
)
def test_check_tries_the_files_of_the_pages(box: Box, settings: str, says: str) -> None:
    folder = box.home / "prathu.d"
    folder.mkdir(exist_ok=True)
    (folder / "pages.toml").write_text(settings)
    said = box.prathu("check")
    assert (said.status, said.err.count("\n")) == (3, 1)
    assert says in said.err
    assert "Errno" not in said.err


@pytest.mark.parametrize("octets", [b"\xff\xfe\x00garbage\xd8", b"", b"hello\n"])
@pytest.mark.parametrize("verb", ["people", "sessions"])
def test_a_file_that_is_no_csv_is_wrong_use(box: Box, verb: str, octets: bytes) -> None:
    file = box.home / "list.csv"
    file.write_bytes(octets)
    said = box.prathu(verb, "import", str(file), *(["--site", "school-a"] * (verb == "people")))
    assert said.status == 2
    assert len(said.err.splitlines()) == 1
    assert "Errno" not in said.err
    assert "codec" not in said.err
