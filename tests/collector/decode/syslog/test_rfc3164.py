"""The RFC 3164 family: each way in which devices differ has a line here, and what it gives."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.decode.syslog import rfc3164
from collector.decode.syslog.header import Header

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
RECEIVED = datetime(2026, 1, 25, 3, 0, tzinfo=UTC)


def _us(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(microseconds=1)


def _parse(text: str, received: datetime = RECEIVED) -> Header:
    return rfc3164.parse(text, _us(received))


def _shown(header: Header) -> dict[str, object]:
    """Return what a header says, times as text, without the priority and nothings."""
    said = {name: value for name, value in header._asdict().items() if value is not None}
    for name in ("format", "facility", "severity", "zoned"):
        said.pop(name, None)
    if header.time_us is not None:
        moment = EPOCH + timedelta(microseconds=header.time_us)
        said["time_us"] = moment.isoformat().replace("+00:00", "Z")
    return said


T = "2026-01-24T18:58:06Z"
"""Jan 25 01:58:06 in Bangkok."""

VARIANTS = {
    "as in the RFC": (
        "<34>Jan 25 01:58:06 mymachine su: 'su root' failed",
        {
            "message": "'su root' failed",
            "time_us": T,
            "hostname": "mymachine",
            "app_name": "su",
        },
    ),
    "process": (
        "<38>Jan 25 01:58:06 host sshd[4721]: text",
        {
            "message": "text",
            "time_us": T,
            "hostname": "host",
            "app_name": "sshd",
            "proc_id": "4721",
        },
    ),
    "no time stamp": (
        "<14>AP-Hall 788a20aabbcc,U7PG2-6.5.28: hostapd: associated",
        {
            "message": "hostapd: associated",
            "hostname": "AP-Hall",
            "app_name": "788a20aabbcc,U7PG2-6.5.28",
        },
    ),
    "no host, pfSense": (
        "<27>Jan 25 01:58:06 filterlog: 53,,,1000000301,em0,match,block",
        {"message": "53,,,1000000301,em0,match,block", "time_us": T, "app_name": "filterlog"},
    ),
    "no host, pairs": (
        "<134>Jan 25 01:58:06 reason=Allowed\tevent_id=7",
        {"message": "reason=Allowed\tevent_id=7", "time_us": T},
    ),
    "priority, then neither": ("<14>first word is no host", {"message": "first word is no host"}),
    "priority, then program": (
        "<30>dnsmasq[812]: started",
        {"message": "started", "app_name": "dnsmasq", "proc_id": "812"},
    ),
    "space after priority": (
        "<189> Jan 25 01:58:06 switch TRAPMGR[trapTask]: traputil.c(721) 29331 %% NOTE",
        {
            "message": "traputil.c(721) 29331 %% NOTE",
            "time_us": T,
            "hostname": "switch",
            "app_name": "TRAPMGR",
            "proc_id": "trapTask",
        },
    ),
    "unpadded day": (
        "<13>Jan 5 01:58:06 host app: m",
        {"message": "m", "time_us": "2026-01-04T18:58:06Z", "hostname": "host", "app_name": "app"},
    ),
    "padded day": (
        "<13>Jan  5 01:58:06 host app: m",
        {"message": "m", "time_us": "2026-01-04T18:58:06Z", "hostname": "host", "app_name": "app"},
    ),
    "day with a zero": (
        "<13>Jan 05 01:58:06 host app: m",
        {"message": "m", "time_us": "2026-01-04T18:58:06Z", "hostname": "host", "app_name": "app"},
    ),
    "year before": (
        "<13>Jan 25 2024 01:58:06 host app: m",
        {"message": "m", "time_us": "2024-01-24T18:58:06Z", "hostname": "host", "app_name": "app"},
    ),
    "year after": (
        "<13>Jan 25 01:58:06 2024 host app: m",
        {"message": "m", "time_us": "2024-01-24T18:58:06Z", "hostname": "host", "app_name": "app"},
    ),
    "Buddhist year": (
        "<13>Jan 25 2569 01:58:06 host app: m",
        {"message": "m", "time_us": T, "hostname": "host", "app_name": "app"},
    ),
    "weekday": (
        "<13>Sun Jan 25 01:58:06 2026 host app: m",
        {"message": "m", "time_us": T, "hostname": "host", "app_name": "app"},
    ),
    "milliseconds": (
        "<13>Jan 25 01:58:06.234 host app: m",
        {
            "message": "m",
            "time_us": "2026-01-24T18:58:06.234000Z",
            "hostname": "host",
            "app_name": "app",
        },
    ),
    "microseconds and zone": (
        "<13>Jan 25 01:58:06.000234 UTC host app: m",
        {
            "message": "m",
            "time_us": "2026-01-25T01:58:06.000234Z",
            "hostname": "host",
            "app_name": "app",
        },
    ),
    "offset": (
        "<13>Jan 25 01:58:06 -0500 host app: m",
        {"message": "m", "time_us": "2026-01-25T06:58:06Z", "hostname": "host", "app_name": "app"},
    ),
    "zone, year and colon, ASA": (
        "<166>Jan 25 2026 01:58:06 UTC: %ASA-6-302013: Built outbound",
        {
            "message": "Built outbound",
            "time_us": "2026-01-25T01:58:06Z",
            "msg_id": "%ASA-6-302013",
        },
    ),
    "host and spaced colon, ASA": (
        "<166>Jan 25 2026 01:58:06 asa-1 : %ASA-6-302013: Built outbound",
        {
            "message": "Built outbound",
            "time_us": T,
            "hostname": "asa-1",
            "msg_id": "%ASA-6-302013",
        },
    ),
    "RFC 3339 time": (
        "<13>2026-01-25T01:58:06.757188+07:00 10.120.127.1 system,error login failure",
        {
            "message": "system,error login failure",
            "time_us": "2026-01-24T18:58:06.757188Z",
            "hostname": "10.120.127.1",
        },
    ),
    "date and time apart": (
        "<13>2026/01/25 01:58:06 host app: m",
        {"message": "m", "time_us": T, "hostname": "host", "app_name": "app"},
    ),
    "Cisco number and star": (
        "<189>237: *Jan  8 19:46:03.295: %SYS-5-CONFIG_I: Configured",
        {
            "message": "Configured",
            "time_us": "2026-01-08T12:46:03.295000Z",
            "msg_id": "%SYS-5-CONFIG_I",
        },
    ),
    "Cisco host and two numbers": (
        "<189>29: rtr-1: 000030: .Jan  8 19:46:03 UTC: %LINK-3-UPDOWN: up",
        {
            "message": "up",
            "time_us": "2026-01-08T19:46:03Z",
            "hostname": "rtr-1",
            "msg_id": "%LINK-3-UPDOWN",
        },
    ),
    "Cisco half days": (
        "<189>8103: Oct 14 2015 05:50:19 PM.484 UTC :  %UC_AUDITLOG-5-Event: %[ UserID =a]",
        {
            "message": "%[ UserID =a]",
            "time_us": "2015-10-14T17:50:19.484000Z",
            "msg_id": "%UC_AUDITLOG-5-Event",
        },
    ),
    "Cisco without time": (
        "<189>237: %SYS-5-CONFIG_I: Configured",
        {"message": "Configured", "msg_id": "%SYS-5-CONFIG_I"},
    ),
    "host with colon": (
        "<189>Jan 25 01:58:06 rtr-1: %LINK-3-UPDOWN: up",
        {"message": "up", "time_us": T, "hostname": "rtr-1", "msg_id": "%LINK-3-UPDOWN"},
    ),
    "epoch seconds, Meraki": (
        "<134>1 1563249630.774247467 AP_2 flows src=192.0.2.7 allow",
        {
            "message": "flows src=192.0.2.7 allow",
            "time_us": "2019-07-16T04:00:30.774247Z",
            "hostname": "AP_2",
        },
    ),
    "doubled host, UniFi": (
        '<4>Jan 25 01:58:06 UDM UDM [WAN_LOCAL-D-1] DESCR="x" IN=eth8',
        {"message": '[WAN_LOCAL-D-1] DESCR="x" IN=eth8', "time_us": T, "hostname": "UDM"},
    ),
    "no header, FortiGate": (
        '<189>date=2026-01-25 time=01:58:06 devname="FG-1" logid="1"',
        {
            "message": 'date=2026-01-25 time=01:58:06 devname="FG-1" logid="1"',
            "time_us": T,
            "hostname": "FG-1",
        },
    ),
    "no header, FortiGate with zone": (
        '<189>date=2026-01-25 time=01:58:06 tz="-0700" logid="1"',
        {
            "message": 'date=2026-01-25 time=01:58:06 tz="-0700" logid="1"',
            "time_us": "2026-01-25T08:58:06Z",
        },
    ),
    "program with path": (
        "<78>Jan 25 01:58:06 host /usr/sbin/cron[95]: (root) CMD",
        {
            "message": "(root) CMD",
            "time_us": T,
            "hostname": "host",
            "app_name": "/usr/sbin/cron",
            "proc_id": "95",
        },
    ),
    "Solaris id": (
        "<13>Jan 25 01:58:06 host nurse[267]: [ID 702911 user.error] full",
        {
            "message": "full",
            "time_us": T,
            "hostname": "host",
            "app_name": "nurse",
            "proc_id": "267",
            "msg_id": "702911",
        },
    ),
    "host is IPv6": (
        "<13>Jan 25 01:58:06 2001:db8::1 sshd[1]: x",
        {
            "message": "x",
            "time_us": T,
            "hostname": "2001:db8::1",
            "app_name": "sshd",
            "proc_id": "1",
        },
    ),
    "host in brackets": (
        "<118>Jan 25 01:58:06 [192.0.2.143] ZscalerNSS: free memory",
        {
            "message": "free memory",
            "time_us": T,
            "hostname": "192.0.2.143",
            "app_name": "ZscalerNSS",
        },
    ),
    "CEF behind a header": (
        "<13>Jan 25 01:58:06 host CEF:0|V|P|1|2|n|3|src=192.0.2.1",
        {"message": "CEF:0|V|P|1|2|n|3|src=192.0.2.1", "time_us": T, "hostname": "host"},
    ),
    "LEEF behind the beginning of RFC 5424": (
        "<13>1 2026-01-25T01:58:06+07:00 host LEEF:1.0|Vendor|Product|1|n|src=192.0.2.1 x y z",
        {
            "message": "LEEF:1.0|Vendor|Product|1|n|src=192.0.2.1 x y z",
            "time_us": T,
            "hostname": "host",
        },
    ),
    "year first and a zone that nobody knows": (
        "<189>rtr-1: 2026 Jan 25 01:58:06 AKDT: %MODULE-2-MOD: failed",
        {
            "message": "failed",
            "hostname": "rtr-1",
            "msg_id": "%MODULE-2-MOD",
            "fault": "no such time: rtr-1: 2026 Jan 25 01:58:06 AKDT: ",
        },
    ),
    "host in Thai": (
        "<13>Jan 25 01:58:06 ห้องสมุด app: เข้าสู่ระบบ",
        {"message": "เข้าสู่ระบบ", "time_us": T, "hostname": "ห้องสมุด", "app_name": "app"},
    ),
    "no such day": (
        "<13>Feb 30 01:58:06 host app: m",
        {
            "message": "m",
            "hostname": "host",
            "app_name": "app",
            "fault": "no such time: Feb 30 01:58:06 ",
        },
    ),
}


@pytest.mark.parametrize("name", VARIANTS)
def test_a_variant_gives_its_row(name: str) -> None:
    line, expected = VARIANTS[name]
    header = _parse(line)
    assert header.format == "rfc3164"
    assert _shown(header) == expected


@pytest.mark.parametrize(
    ("line", "given"),
    [
        ("<0>Jan 25 01:58:06 h a: m", (0, 0, None)),
        ("<191>Jan 25 01:58:06 h a: m", (23, 7, None)),
        ("<>Jan 25 01:58:06 h a: m", (1, 5, None)),
        ("Jan 25 01:58:06 h a: m", (1, 5, None)),
        ("<192>Jan 25 01:58:06 h a: m", (None, None, "no priority is 192")),
    ],
)
def test_priorities(line: str, given: tuple[int | None, int | None, str | None]) -> None:
    header = _parse(line)
    assert (header.facility, header.severity, header.fault) == given
    assert (header.hostname, header.app_name, header.message) == ("h", "a", "m")


@pytest.mark.parametrize("line", ["", "plain words", "CEF: 0|Ubiquiti|UniFi|9|5|n|1|", "{}"])
def test_a_line_without_any_header_is_raw(line: str) -> None:
    assert _parse(line) == Header("raw", line, fault="no header")


@pytest.mark.parametrize(
    ("received", "line", "year"),
    [
        (datetime(2027, 1, 1, 0, 0, 5, tzinfo=UTC), "Dec 31 23:59:58", 2026),
        (datetime(2026, 12, 31, 16, 0, tzinfo=UTC), "Jan  1 00:00:02", 2026),
        (datetime(2026, 12, 31, 17, 0, 5, tzinfo=UTC), "Jan  1 00:00:02", 2026),
        (datetime(2024, 3, 1, 0, 0, tzinfo=UTC), "Feb 29 12:00:00", 2024),
        (datetime(2025, 2, 1, 0, 0, tzinfo=UTC), "Feb 29 12:00:00", 2024),
    ],
)
def test_the_year_is_the_one_nearest_to_receipt(received: datetime, line: str, year: int) -> None:
    header = _parse(f"<13>{line} host app: m", received)
    assert header.time_us is not None
    sent = EPOCH + timedelta(microseconds=header.time_us)
    assert sent.year == year
    assert abs(sent - received) < timedelta(days=365)


@given(st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1)), st.integers(-180, 180), st.text())
def test_times_near_receipt_are_found_whatever_the_year(
    sent: datetime, days: int, tail: str
) -> None:
    sent = sent.replace(microsecond=0, tzinfo=UTC)
    if (sent.month, sent.day) == (2, 29):
        days = 0
    local = sent + timedelta(hours=7)
    header = _parse(f"<13>{local:%b %d %H:%M:%S} host app: {tail}", sent + timedelta(days=days))
    assert header.time_us == _us(sent)


@given(st.text(max_size=200))
def test_any_text_gives_a_header_that_ends_with_its_message(text: str) -> None:
    header = _parse(text)
    assert text.endswith(header.message)


_PIECES = st.sampled_from(
    ["<13>", "<", ">", "1 ", "237: ", "*", "Jan  8 ", "2026 ", "19:46:03", ".29", " UTC", "host",
     " ", ": ", ":", "[1]", "%A-1-B", "CEF:", "date=2026-01-25 time=01:58:06", "1563249630", "é"]
)  # fmt: skip


@given(st.lists(_PIECES, max_size=15).map("".join))
def test_any_mixture_of_headers_gives_a_header(text: str) -> None:
    header = _parse(text)
    assert text.endswith(header.message)
    for field in (header.hostname, header.app_name, header.proc_id, header.msg_id):
        assert field is None or (field in text and " " not in field)


@pytest.mark.parametrize(
    "line",
    [
        "<13>" + "a" * 65_000,
        "<13>" + "a:" * 32_000,
        "<13>" + "1: " * 21_000,
        "<13>Jan 25 01:58:06 " + "[" * 65_000,
        "<13>Jan 25 01:58:06 " + "a.b/" * 16_000,
        "<13>" + " " * 65_000,
        "<13>Jan" + " " * 65_000,
    ],
)
def test_long_lines_cost_no_more_than_their_length(line: str) -> None:
    before = time.process_time()
    for _ in range(20):
        _parse(line)
    assert time.process_time() - before < 1
