"""`prathu status`: people read lines, programs JSON, and both see what is wrong."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from appliance.cli import status_text
from tests.appliance.cli.asking import Prathu, filled, prathu_at


@pytest.fixture
def prathu(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Prathu:
    filled(tmp_path)
    return prathu_at(tmp_path, capsys)


def told(**parts: Any) -> list[str]:
    """Return the lines of a box that runs, parts of its status changed."""
    status: dict[str, Any] = {
        "home": "var",
        "processes": {"receive": True, "seal": True, "portal": True, "web": True},
        "receive": {},
        "seal": {},
        "portal": None,
        "spool_bytes": 0,
        "ledgers": {"school-a": None},
        "stored": {},
        "disk_free_bytes": 75_000_000_000,
        "clock": "2026-11-22T09:00:00+00:00",
        "keys": "plain files",
    }
    return [f"{name} {text}" for name, text in status_text.lines({**status, **parts})]


def test_a_box_that_rests_says_how_to_start_it(prathu: Prathu) -> None:
    said = prathu("status")
    assert said.status == 0
    assert "box       does not run; start it with: prathu up" in said.out.splitlines()
    assert "stored    flows: 10 rows" in said.out
    assert "{" not in said.out


def test_programs_get_every_figure(prathu: Prathu) -> None:
    whole = json.loads(prathu("--json", "status").out)
    assert whole["stored"]["flows"]["rows"] == 10
    assert whole["processes"]["receive"] is False


@pytest.mark.parametrize("name", ["outside", "retention", "backup"])
def test_nothing_waits_for_a_pipe_in_the_place_of_a_file(
    prathu: Prathu, tmp_path: Path, name: str
) -> None:
    before = json.loads(prathu("--json", "status").out)
    (tmp_path / "state").mkdir(exist_ok=True)
    os.mkfifo(tmp_path / "state" / f"{name}.json")
    assert json.loads(prathu("--json", "status").out)["ledgers"] == before["ledgers"]


def test_a_ledger_whose_state_is_a_pipe_is_one_line(prathu: Prathu, tmp_path: Path) -> None:
    folder = tmp_path / "ledger" / "school-a" / "2026"
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("checkpoint", "state"):
        (folder / name).unlink(missing_ok=True)
        os.mkfifo(folder / name)
    said = prathu("status")
    assert said.status == 3
    assert "is no plain file" in said.err.splitlines()[-1]


def test_a_process_that_is_not_there_is_named() -> None:
    processes = {"receive": True, "seal": False, "portal": True, "web": True}
    assert "box runs: receive, portal, web; DOES NOT RUN: seal" in told(processes=processes)


def test_losses_and_strangers_are_named() -> None:
    udp = {
        "socket": "udp 0.0.0.0:2055",
        "datagrams": 1234,
        "bytes": 1_500_000,
        "kernel_drops": 2,
        "not_stored": 1,
        "refused": 7,
    }
    strangers = [{"address": f"192.0.2.{n}", "refused": n} for n in range(1, 9)]
    lines = told(receive={"udp": [udp], "unknown_senders": strangers})
    assert "receives udp 0.0.0.0:2055: 1,234 datagrams, 1.5 MB, 3 lost, 7 refused" in lines
    unknown = next(line for line in lines if line.startswith("refused 192.0.2.1, 1 times: unknown"))
    assert unknown.endswith('in prathu.toml: [[exporters]] address = "192.0.2.1" site = "…"')
    assert "refused and 3 more unknown senders" in lines


def test_what_the_kernel_tells_of_connections_and_leaves_out_is_told() -> None:
    off = ["nf_conntrack_acct"]
    kernel = {"messages": 1234, "bytes": 300_000, "lost": 5, "switched_off": off}
    lines = told(receive={"conntrack": kernel})
    assert "receives conntrack: 1,234 messages, 300.0 kB, 5 lost" in lines
    hint = "nf_conntrack_acct is off: sysctl -w net.netfilter.nf_conntrack_acct=1"
    assert f"receives conntrack: {hint}" in lines


def test_syslog_over_tls_tells_its_certificate() -> None:
    tls = {
        "sockets": ["tls 0.0.0.0:6514"],
        "messages": 12,
        "bytes": 3400,
        "refused": 1,
        "not_stored": 0,
        "refused_tls": 2,
        "waiting": 3,
        "sha256": "SHA256:AB:CD",
    }
    lines = told(receive={"tls": tls})
    assert "receives tls 0.0.0.0:6514: 12 messages, 3.4 kB, 0 lost, 3 refused" in lines
    assert "tls certificate SHA256:AB:CD" in lines
    assert "receive 3 connections are held back: no room" in lines


def test_who_sends_too_much_is_named_and_so_is_a_slow_disk() -> None:
    busy = {"name": "192.0.2.1", "fast": 0, "crowded": 0, "hoarded": 0, "dammed": 0}
    flood = {"name": "192.0.2.7", "fast": 1000, "crowded": 30, "hoarded": 4, "dammed": 200}
    spool = {"waiting_bytes": 60_000_000, "most_waiting_bytes": 96_000_000}
    held = [{"name": "192.0.2.7", "part": 0.0625}]
    lines = told(receive={"spool": spool, "senders": [flood, busy], "held_back": held})
    assert "flood 192.0.2.7: one of 16 datagrams is let through, so that others are heard" in lines
    assert "receive the disk is slow: 60.0 MB of 96.0 MB wait for it in memory" in lines
    refused = [line for line in lines if line.startswith("refused ")]
    why = "1,234 datagrams (1,200 too fast, 34 past its share)"
    assert refused == [f"refused 192.0.2.7: {why}; see [limits] in prathu.toml"]
    assert not any("slow" in line for line in told(receive={"spool": {"waiting_bytes": 0}}))


def test_a_full_disk_and_a_damaged_file_are_named() -> None:
    lines = told(
        receive={"spool": {"full": True}},
        seal={"unreadable_files": ["logs/a/0.parquet"], "missing_files": []},
    )
    assert any("the disk is too full" in line for line in lines)
    assert "seal unreadable files: logs/a/0.parquet; see: prathu verify" in lines


def test_what_keeping_needs_a_person_for_is_an_alarm() -> None:
    assert "ALARM the disk is 95 % full" in told(kept_alarms=["the disk is 95 % full"])


def test_a_process_that_does_not_answer_says_why() -> None:
    assert "seal does not answer: no reply in 5 s" in told(seal={"error": "no reply in 5 s"})


def test_people_heard_of_are_told_from_those_who_have_accounts() -> None:
    portal = {"sessions": 1200, "accounts": {"pupil": 3, "shadow": 41_000}, "troubles": {}}
    assert "people 1,200 sessions; accounts: 3 pupils, 41,000 only heard of" in told(portal=portal)


def test_what_the_portal_cannot_do_is_named() -> None:
    portal = {"sessions": 1, "accounts": {}, "troubles": {"ending sessions": 3}}
    said = told(portal=portal)
    assert "portal ending sessions failed 3 times; its log says why" in said


def test_frames_that_wait_are_told_apart_from_the_spool_that_stays() -> None:
    seal = {"sealed_position": 1200}
    receive = {"spool": {"head": 1200, "durable": 1200, "full": False}}
    said = told(receive=receive, seal=seal, spool_bytes=8_700_000)
    assert "spool 0 frames wait to be sealed; 8.7 MB on disk" in said
    receive["spool"]["head"] = 3500
    assert "spool 2,300 frames wait to be sealed; 0 B on disk" in told(receive=receive, seal=seal)
    assert "spool 8.7 MB on disk" in told(spool_bytes=8_700_000)


def test_sizes_keep_a_figure_above_one() -> None:
    assert [status_text.size(n) for n in (0, 999, 1000, 2_500_000, 4e12)] == [
        *("0 B", "999 B", "1.0 kB", "2.5 MB", "4.0 TB"),
    ]


@pytest.mark.parametrize(("days", "lasts"), [(90, "90 days"), (1_722_056, "many years")])
def test_a_disk_is_not_promised_to_the_day_for_centuries(days: int, lasts: str) -> None:
    assert f"disk 75.0 GB free, enough for {lasts} at this rate" in told(
        stored={"disk_days_left": days}
    )


def test_lines_that_no_format_reads_are_shown_by_pattern() -> None:
    syslog = {
        "read": {"fortigate": 1200, "sshd": 3},
        "unread": 7,
        "unread_patterns": [{"pattern": "link * up\x1b", "lines": 5}],
    }
    said = told(seal={"sites": {"school-a": {"syslog": syslog}, "school-b": {}}})
    assert (
        "syslog school-a: 1,203 lines read (fortigate 1,200, sshd 3), 7 of no known format" in said
    )
    assert "unread school-a: 5 like: link * up\\x1b" in said
    assert not any("school-b" in line for line in said)


def test_sign_in_lines_that_reach_nobody_are_told() -> None:
    sites = {
        "school-a": {"sign_ins": {"waiting": 20_000, "lost": 1234, "nowhere": 5}},
        "school-b": {"sign_ins": {"waiting": 1001, "lost": 0, "nowhere": 0}},
        "school-c": {"sign_ins": {"waiting": 3, "lost": 0, "nowhere": 0}},
    }
    portal = {"sessions": 0, "accounts": {}, "sign_in_lines": {"kept": 4711, "refused": 2}}
    said = [line for line in told(seal={"sites": sites}, portal=portal) if "sign-ins" in line]
    assert [line.split("; ")[0] for line in said] == [
        "sign-ins school-a: 1,234 lines of believed senders are lost",
        "sign-ins school-a: 5 lines name an address outside",
        "sign-ins school-b: 1,001 lines wait for the portal",
        "sign-ins 4,711 lines of believed senders kept, 2 refused",
    ]


@pytest.mark.parametrize(
    ("days", "self_made", "said"),
    [
        (80, False, "page certificate good for 80 days"),
        (20, False, "page certificate good for 20 days; GET A NEW ONE"),
        (-3, False, "page ITS CERTIFICATE ENDED 3 days ago"),
        (300, True, "page a certificate made by the box: phones warn of it"),
    ],
)
def test_the_certificate_of_the_sign_in_page_is_told(days: int, self_made: bool, said: str) -> None:
    certificate = {"ends": "2027-01-01T00:00:00+00:00", "days": days, "self_made": self_made}
    portal = {"sessions": 1, "accounts": {}, "troubles": {}, "certificate": certificate}
    assert any(line.startswith(said) for line in told(portal=portal))
