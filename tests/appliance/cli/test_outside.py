"""`prathu outside`, `check` and `status` tell what is proven outside, and who is silent."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from collector.seal import ledger, note, outside
from tests.appliance.cli.asking import Prathu, prathu_at
from tests.appliance.cli.boxes import staff
from tests.appliance.hub.test_service import SETTINGS, running
from tests.appliance.hub.test_service import prathu as program
from tests.collector.seal.tsa import Authority, serving

SITE = "school-a"
BOX = f'[[sites]]\nid = "{SITE}"\n[spool]\nleast_free_bytes = 0\n'


@pytest.fixture
def fresh(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Prathu:
    for folder in ("run", "state", "spool"):
        (tmp_path / "box" / folder).mkdir(parents=True)
    (tmp_path / "box" / "prathu.toml").write_text(BOX)
    return prathu_at(tmp_path / "box", capsys)


@pytest.fixture
def prathu(fresh: Prathu) -> Prathu:
    assert fresh("seal", "--now").status == 0
    return fresh


@pytest.fixture
def authority(tmp_path: Path) -> Iterator[Authority]:
    with serving(Authority(tmp_path / "tsa")) as one:
        yield one


def add(home: Path, text: str) -> None:
    (home / "prathu.d").mkdir(exist_ok=True)
    number = len(list((home / "prathu.d").iterdir()))
    (home / "prathu.d" / f"{number}.toml").write_text(text)


def add_authority(home: Path, authority: Authority) -> None:
    (home / "tsa").mkdir(exist_ok=True)
    (home / "tsa" / "one.pem").write_bytes(authority.roots_pem)
    lines = [f'url = "{authority.url}"', 'name = "one"', 'roots = "tsa/one.pem"']
    add(home, "\n".join(["[[timestamp_authorities]]", *lines]))


def test_nobody_outside_is_said_and_how_to_mend_it(prathu: Prathu) -> None:
    said = prathu("outside")
    assert said.status == 0
    assert f"{SITE}: not proven outside yet" in said.out
    assert "set [[timestamp_authorities]] or [[witnesses]]" in said.out
    assert f"for witnesses: log {SITE}/ledger/" in said.out
    status = prathu("status").out
    assert "not proven outside: no witness and no time-stamp authority is set" in status


def test_a_box_that_rests_asks_an_authority_and_a_witness(
    prathu: Prathu, authority: Authority, tmp_path: Path
) -> None:
    home, hub = tmp_path / "box", tmp_path / "hub"
    hub.mkdir()
    (hub / "prathu.toml").write_text(SETTINGS)
    key = program(hub, "hub", "key").stdout.strip()
    add_authority(home, authority)
    assert "root of one" in prathu("check").out
    (log_key,) = json.loads(prathu("--json", "outside").out)["sites"][0]["log_keys"]
    with running(hub) as port:
        add(home, f'[[witnesses]]\nkey = "{key}"\nurl = "http://127.0.0.1:{port}/"\n')
        said = prathu("outside", "--now")
        assert said.status == 1  # the witness does not know this ledger yet
        assert "does not serve" in said.err
        assert program(hub, "hub", "allow", log_key).returncode == 0
        said = prathu("outside", "--now")
        assert (said.status, said.err.count("kept")) == (0, 1)  # the token was kept before
    assert "proven outside since" in said.out
    (site,) = json.loads(prathu("--json", "status").out)["outside"]
    assert (site["late"], site["faults"]) == (False, [])
    assert {"one", "hub.example.go.th/witness"} >= set(site["by"])
    (folder,) = ledger.folders(home, SITE)
    token = next(kept for kept in outside.listed(folder) if kept.kind == "tsr")
    text = note.parse(outside.signed_note(folder, token.size)).text
    chain = folder / token._replace(kind="pem").name
    assert authority.accepted_by_openssl(folder / token.name, text, chain)
    policy, roots = tmp_path / "policy", tmp_path / "roots.pem"
    policy.write_text(f"log {log_key}\nwitness hub {key}\nquorum hub\n")
    roots.write_bytes(authority.roots_pem)
    said = prathu("verify", "--policy", str(policy), "--tsa-roots", str(roots))
    assert said.status == 0, said.out
    assert said.out.count("was there not after") == 2


def test_an_older_state_than_a_witness_has_seen_is_told_everywhere(
    prathu: Prathu, tmp_path: Path
) -> None:
    home, hub, older = tmp_path / "box", tmp_path / "hub", tmp_path / "older"
    hub.mkdir()
    (hub / "prathu.toml").write_text(SETTINGS)
    key = program(hub, "hub", "key").stdout.strip()
    (log_key,) = json.loads(prathu("--json", "outside").out)["sites"][0]["log_keys"]
    assert program(hub, "hub", "allow", log_key).returncode == 0
    with running(hub) as port:
        add(home, f'[[witnesses]]\nkey = "{key}"\nurl = "http://127.0.0.1:{port}/"\n')
        assert prathu("outside", "--now").status == 0
        shutil.copytree(home, older, ignore=shutil.ignore_patterns("*.sock"))
        assert prathu("seal", "--now").status == 0
        assert prathu("outside", "--now").status == 0
        shutil.rmtree(home)
        older.rename(home)
        said = prathu("outside", "--now")
    longer = "somebody holds a longer history than we do"
    assert (said.status, longer in said.err + said.out) == (1, True), said.err
    told = prathu("status").out.splitlines()
    assert len([line for line in told if "ALARM" in line and longer in line]) == 1
    said = prathu("verify")
    assert (said.status, f"ALARM: {SITE}: hub.example.go.th/witness: " in said.err) == (0, True)


def test_a_box_that_runs_with_older_settings_is_told_to_start_again(
    prathu: Prathu, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_authority(authority.folder.parent / "box", authority)

    def older(_: Path, request: Mapping[str, Any], **__: Any) -> dict[str, Any]:
        return {"questions": []} if request["do"] == "outside-due" else {"lines": [], "asked": 0}

    monkeypatch.setattr("appliance.cli.offline.running", lambda *_: True)
    monkeypatch.setattr("appliance.cli.outside.ask", older)
    said = prathu("outside", "--now")
    assert "one: the box runs with older settings: stop it and start it again" in said.err


def test_a_bundle_is_signed_by_the_witness_before_it_is_packed(
    prathu: Prathu, tmp_path: Path
) -> None:
    home, hub, policy = tmp_path / "box", tmp_path / "hub", tmp_path / "policy"
    hub.mkdir()
    (hub / "prathu.toml").write_text(SETTINGS)
    key = program(hub, "hub", "key").stdout.strip()
    (log_key,) = json.loads(prathu("--json", "outside").out)["sites"][0]["log_keys"]
    assert program(hub, "hub", "allow", log_key).returncode == 0
    policy.write_text(f"log {log_key}\nwitness hub {key}\nquorum hub\n")
    staff(home, "mayuree")
    case = ["--question", "*", "--log", "audit", "--from", "-1h", "--to", "now"]
    case += ["--approver", "mayuree", "--recipient", "police", "--request", "1/2570"]
    with running(hub) as port:
        add(home, f'[[witnesses]]\nkey = "{key}"\nurl = "http://127.0.0.1:{port}/"\n')
        said = prathu("export", "--case", "c1", "--out", str(tmp_path / "c1.zip"), *case)
        assert said.status == 0, said.err
    said = prathu("verify-bundle", str(tmp_path / "c1.zip"), "--policy", str(policy))
    assert said.status == 0, said.out
    said = prathu("export", "--case", "c2", "--out", str(tmp_path / "c2.zip"), *case)
    assert (said.status, "no witness has signed" in said.err) == (0, True), said.err
    said = prathu("verify-bundle", str(tmp_path / "c2.zip"), "--policy", str(policy))
    assert (said.status, "E-19" in said.out) == (1, True)


def test_the_printed_way_of_the_guide_takes_a_token(
    prathu: Prathu, authority: Authority, tmp_path: Path
) -> None:
    add_authority(tmp_path / "box", authority)
    assert prathu("outside", "--now").status == 0
    (folder,) = ledger.folders(tmp_path / "box", SITE)
    (size,) = {k.size for k in outside.listed(folder) if k.kind == "tsr"}
    (folder / "root.pem").write_bytes(authority.roots_pem)
    script = (
        f"sed '/^$/,$d' checkpoints/{size} > text && openssl ts -verify -in tst/{size}.one.tsr "
        f"-data text -CAfile root.pem -untrusted tst/{size}.one.pem"
    )
    done = subprocess.run(["sh", "-c", script], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Verification: OK" in done.stdout + done.stderr


def test_who_does_not_answer_is_named_once(prathu: Prathu, authority: Authority) -> None:
    authority.away = True
    home = authority.folder.parent / "box"
    add_authority(home, authority)
    add(home, "[outside]\nalarm_hours = 1\n")
    said = prathu("outside", "--now")
    assert said.status == 1
    assert "one: answered HTTP 503" in said.err
    assert "Traceback" not in said.err
    status = prathu("status").out
    assert "not proven outside yet; TOO LONG AGO" in status
    assert f"{SITE}: one: answered HTTP 503" in status


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            '[[timestamp_authorities]]\nname = "A b"\nurl = "http://x/"\nroots = "r"',
            "small letters",
        ),
        ('[[timestamp_authorities]]\nname = "a"\nurl = "ftp://x/"\nroots = "r"', "https://"),
        ('[[timestamp_authorities]]\nname = "a"\nurl = ""\nroots = "r"', "url"),
        (
            '[[timestamp_authorities]]\nname = "a"\nurl = "http://x/"\nroots = "none"',
            "No such file",
        ),
        ('[[witnesses]]\nkey = "x"\nurl = "http://x/"', "prathu hub key"),
        ('[[witnesses]]\nkey = "w+00000000+BAAA"\nurl = "http://x/"', "key"),
        ("[outside]\nevery_hours = 48", "every_hours"),
        ('[hub]\nname = "two words"', "name"),
    ],
)
def test_a_wrong_setting_is_one_line(fresh: Prathu, tmp_path: Path, text: str, told: str) -> None:
    add(tmp_path / "box", text)
    said = fresh("check")
    assert said.status == 2
    assert told in said.err
    assert len(said.err.splitlines()) == 1


@pytest.mark.parametrize("words", [("--policy", "POLICY"), ("--tsa-roots", "POLICY")])
def test_a_wrong_policy_or_root_is_one_line(
    prathu: Prathu, tmp_path: Path, words: tuple[str, str]
) -> None:
    (tmp_path / "policy").write_text("quorum everybody\n")
    said = prathu("verify", words[0], str(tmp_path / "policy"))
    assert said.status == 2
    assert len(said.err.splitlines()) == 1
