"""Frames of syslog to rows: the line untouched, the times right, a row for whatever comes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.decode.syslog.messages import decode
from collector.records import Frame, FrameKind
from collector.store.schema import EVENTS
from tests.collector.decode.syslog import golden

SHARED = Path(__file__).resolve().parents[5] / "shared" / "data" / "syslog"
WIRE = datetime(2026, 1, 25, 3, 0, 0, 250_000, tzinfo=UTC)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _ns(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(microseconds=1) * 1000


def _frame(payload: bytes, number: int = 0, label: str = "", transport: str = "udp") -> Frame:
    return Frame(
        kind=FrameKind.SYSLOG,
        site="school-a",
        received_ns=_ns(WIRE) + 1_000_000,
        wire_ns=_ns(WIRE),
        address="192.0.2.9",
        port=514,
        label=label,
        transport=transport,
        payload=payload,
        number=number,
    )


def _rows(*payloads: bytes, label: str = "") -> list[dict[str, Any]]:
    frames = [_frame(payload, number, label) for number, payload in enumerate(payloads)]
    rows: list[dict[str, Any]] = EVENTS.table(decode(frames)).to_pylist()
    return rows


def test_a_golden_row() -> None:
    line = b"<38>Jan 25 09:59:58 gw-1 sshd[4721]: Failed password for root from 203.0.113.7\n"
    assert _rows(line) == [
        {
            "time": datetime(2026, 1, 25, 2, 59, 58, tzinfo=UTC),
            "received": WIRE + timedelta(milliseconds=1),
            "source": "192.0.2.9",
            "site": "school-a",
            "transport": "udp",
            "format": "rfc3164",
            "facility": 4,
            "severity": 6,
            "sender_time": datetime(2026, 1, 25, 2, 59, 58, tzinfo=UTC),
            "clock": "ok",
            "hostname": "gw-1",
            "app_name": "sshd",
            "proc_id": "4721",
            "msg_id": None,
            "fault": None,
            "vendor": "sshd",
            "event_type": "login",
            "action": "Failed",
            "src_ip": "203.0.113.7",
            "src_port": None,
            "dst_ip": None,
            "dst_port": None,
            "protocol": None,
            "nat_src_ip": None,
            "nat_src_port": None,
            "nat_dst_ip": None,
            "nat_dst_port": None,
            "mac": None,
            "packets": None,
            "bytes": None,
            "packets_reverse": None,
            "bytes_reverse": None,
            "duration_ms": None,
            "sender_name": None,
            "structured_data": None,
            "message_at": 37,
            "message": None,
            "raw": line.decode(),
            "raw_bytes": None,
            "account": "root",
            "fields": '{"method":"password"}',
        }
    ]


def test_rows_stand_in_the_order_of_their_frames() -> None:
    frames = [_frame(b"<13>%d" % n, number=n * 3, transport="tcp") for n in range(5)]
    rows = decode(frames)
    assert (rows.log, rows.site, len(rows)) == ("events", "school-a", 5)
    assert rows.frame.tolist() == [0, 3, 6, 9, 12]
    assert [golden.message(row) for row in EVENTS.table(rows).to_pylist()] == list("01234")
    assert rows.columns["transport"].to_pylist() == ["tcp"] * 5


def test_no_frames_give_no_rows() -> None:
    assert EVENTS.table(decode([])).num_rows == 0


def test_a_line_from_a_file_names_it() -> None:
    (row,) = _rows(b"<13>hello", label="router.log")
    assert row["source"] == "router.log 192.0.2.9"


@pytest.mark.parametrize(
    ("sent", "time", "clock"),
    [
        ("2026-01-25T09:59:00+07:00", "2026-01-25T02:59:00", "ok"),
        ("2026-01-19T10:00:00+07:00", "2026-01-19T03:00:00", "ok"),
        ("2026-01-17T09:00:00+07:00", None, "implausible"),
        ("2026-01-25T10:04:59+07:00", "2026-01-25T03:04:59", "ok"),
        ("2026-01-25T10:06:00+07:00", None, "implausible"),
        ("2026-01-24T20:00:00+07:00", "2026-01-24T13:00:00", "ok"),
        ("2026-01-25T03:00:00", "2026-01-25T03:00:00", "skewed"),
        ("2026-01-25T09:00:00", "2026-01-25T02:00:00", "ok"),
        ("2569-01-25T10:00:00", "2026-01-25T03:00:00", "ok"),
        ("1970-01-01T00:00:00Z", None, "implausible"),
        ("-", None, "none"),
    ],
)
def test_a_senders_clock_is_judged(sent: str, time: str | None, clock: str) -> None:
    (row,) = _rows(f"<13>1 {sent} host app - - - text".encode())
    expected = datetime.fromisoformat(time).replace(tzinfo=UTC) if time else WIRE
    assert (row["time"], row["clock"]) == (expected, clock)


def test_what_was_taken_from_a_file_may_be_as_old_as_it_says() -> None:
    (row,) = _rows(b"<13>1 2019-01-01T00:00:00Z h a - - - text", label="old.log")
    assert (row["time"], row["clock"]) == (datetime(2019, 1, 1, tzinfo=UTC), "ok")


def test_bytes_that_are_not_text_are_kept_as_bytes() -> None:
    line = b"<13>Jan 25 09:59:58 host app: \xbf\xe2\xb7\xc2"
    (row,) = _rows(line)
    assert (row["raw"], row["raw_bytes"], row["fault"]) == (None, line, "not UTF-8")
    assert (row["hostname"], row["app_name"]) == ("host", "app")
    assert (row["message"], row["message_at"]) == ("???", None)


def test_thai_text_stays() -> None:
    line = "<13>Jan 25 09:59:58 ห้องสมุด app: เข้าสู่ระบบ"
    (row,) = _rows(line.encode())
    assert (row["raw"], row["hostname"], golden.message(row)) == (line, "ห้องสมุด", "เข้าสู่ระบบ")


@pytest.mark.parametrize("head", [b"", b"<13>Jan 25 09:59:58 host app: ", b"<13>1 - h a - - - "])
def test_a_line_of_64_kib_is_kept_whole(head: bytes) -> None:
    line = head + b"x" * ((64 << 10) - len(head))
    (row,) = _rows(line)
    assert row["raw"].encode() == line


@given(st.lists(st.binary(max_size=120), max_size=8))
def test_any_bytes_give_a_row_each(payloads: list[bytes]) -> None:
    rows = _rows(*payloads)
    for payload, row in zip(payloads, rows, strict=True):
        kept = row["raw"].encode() if row["raw"] is not None else row["raw_bytes"]
        assert kept == payload
        assert row["time"] is not None
        assert row["format"] in {"rfc5424", "rfc3164", "raw"}
        assert row["clock"] in {"ok", "skewed", "implausible", "none"}


_HEAD = st.sampled_from([b"<13>1 - ", b"<34>1 2026-01-25T03:00:00Z h a p m ", b"<13>Jan 25 "])


@given(_HEAD, st.binary(max_size=80))
def test_any_bytes_after_a_header_give_a_row(head: bytes, rest: bytes) -> None:
    (row,) = _rows(head + rest)
    assert (row["raw"].encode() if row["raw"] is not None else row["raw_bytes"]) == head + rest


def _device_lines() -> Iterator[bytes]:
    for path in sorted((SHARED / "crowdsecurity-hub").glob("*/*.log")):
        yield from path.read_bytes().splitlines()
    for path in sorted((SHARED / "splunk-connect-for-syslog").glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            yield json.loads(line)["msg"].encode()
    for path in sorted((SHARED / "logstash-patterns-core").glob("*.json")):
        for case in json.loads(path.read_text(encoding="utf-8")):
            text = case["msg"] if isinstance(case, dict) else case
            yield from (each.encode() for each in ([text] if isinstance(text, str) else text))


@pytest.mark.skipif(not SHARED.is_dir(), reason="no syslog lines in ../shared/data")
def test_every_line_of_every_device_gives_a_row() -> None:
    lines = list(_device_lines())
    assert len(lines) > 1000
    rows = _rows(*lines)
    assert [row["raw"].encode() for row in rows] == lines


_TEMPLATE = re.compile(r"\{\{ ?mark ?\}\} ?\{\{ ?(bsd|iso) ?\}\} \{\{ ?host ?\}\} ")
_VALUES = {"mark": "<134>", "bsd": "Jan 25 09:59:58", "iso": "2026-01-25T02:59:58Z", "host": "h-1"}


@pytest.mark.skipif(not SHARED.is_dir(), reason="no syslog lines in ../shared/data")
def test_the_host_of_every_product_with_a_plain_header_is_found() -> None:
    lines = [line.decode() for line in _device_lines()]
    lines = [
        re.sub(r"\{\{ ?(\w+) ?\}\}", lambda name: _VALUES.get(name[1], "7"), line)
        for line in lines
        if _TEMPLATE.match(line)
    ]
    assert len(lines) > 300
    for row in _rows(*(line.encode() for line in lines)):
        assert (row["hostname"], row["facility"], row["clock"]) == ("h-1", 16, "ok"), row["raw"]


def _crowdsec(folder: str) -> list[dict[str, Any]]:
    (path,) = (SHARED / "crowdsecurity-hub" / folder).glob("*.log")
    return _rows(*path.read_bytes().splitlines())


@pytest.mark.skipif(not SHARED.is_dir(), reason="no syslog lines in ../shared/data")
@pytest.mark.parametrize(
    ("folder", "host", "program"),
    [
        ("pf-logs", {"pfSense", "opnsense"}, {"filterlog"}),
        ("pfsense-gui-auth", {"pfSense"}, {"php-fpm"}),
        ("opnsense-gui-auth", {"OPNsense.localdomain"}, {"audit"}),
        ("opnsense-sshd", {"OPNsense.localdomain"}, {"sshd"}),
        ("mikrotik-logs", {"10.120.127.1", "gw"}, {None}),
        ("iptables-logs", {"sd-126005", "ubuntu-focal"}, {"kernel"}),
        ("syslog-logs", {"sd-126005"}, {"sshd"}),
        ("bind9-syslog", {"keira"}, {"named"}),
    ],
)
def test_hosts_and_programs_of_devices(
    folder: str, host: set[str | None], program: set[str | None]
) -> None:
    rows = [row for row in _crowdsec(folder) if row["format"] != "raw"]
    assert rows
    assert {row["hostname"] for row in rows} <= host | {None}
    assert {row["app_name"] for row in rows} <= program | {None}
    named = sum(row["hostname"] in host and row["app_name"] in program for row in rows)
    assert named > len(rows) / 2
