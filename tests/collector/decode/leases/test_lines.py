"""Log lines of DHCP servers, of each kind one."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.decode.leases import lines
from collector.records import Frame, FrameKind, LeaseEvent

NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)
MAC = "02:00:5e:00:53:01"

SAMPLES = [
    (f"dnsmasq-dhcp[7]: DHCPACK(br0) 10.0.0.5 {MAC} somchai-phone", "add somchai-phone br0"),
    (f"dnsmasq-dhcp[7]: 3735928559 DHCPACK(br0) 10.0.0.5 {MAC}", "add  br0"),
    (f"dnsmasq-dhcp[7]: DHCPRELEASE(br0) 10.0.0.5 {MAC}", "release  br0"),
    (f"dhcpd: DHCPACK on 10.0.0.5 to {MAC} (phone) via eth1", "add phone eth1"),
    (f"dhcpd[9]: DHCPACK on 10.0.0.5 to {MAC} via eth1", "add  eth1"),
    (f"dhcpd[9]: DHCPEXPIRE on 10.0.0.5 to {MAC}", "expire  "),
    (f"dhcpd: DHCPRELEASE of 10.0.0.5 from {MAC} (x) via eth1 (found)", "release x eth1"),
    (
        "INFO  [kea-dhcp4.leases/7.1] DHCP4_LEASE_ALLOC [hwtype=1 02:00:5e:00:53:01], "
        "cid=[01:02:00:5e:00:53:01], tid=0x1: lease 10.0.0.5 has been allocated for 3600 seconds",
        "add  ",
    ),
    (
        f"kea-dhcp4: DHCP4_RELEASE [hwtype=1 {MAC}], cid=[no info], tid=0x1: "
        "address 10.0.0.5 was released properly.",
        "release  ",
    ),
    (f"dhcp,info dhcp1 assigned 10.0.0.5 to {MAC.upper()}", "add  dhcp1"),
    (
        f"dhcp,info dhcp1 assigned 10.0.0.5 for {MAC.upper()} somchai-phone",
        "add somchai-phone dhcp1",
    ),
    (f"dhcp,info dhcp1 deassigned 10.0.0.5 from {MAC.upper()}", "release  dhcp1"),
    (
        'date=2026-11-22 time=15:00:00 logid="0100026001" type="event" subtype="system" '
        'logdesc="DHCP Ack log" interface="lan" dhcp_msg="Ack" mac="02:00:5e:00:53:01" '
        'ip=10.0.0.5 lease=3600 hostname="somchai-phone" msg="DHCP server sends a DHCPACK"',
        "add somchai-phone lan",
    ),
    ("10,11/22/26,15:00:00,Assign,10.0.0.5,phone.school.example,02005E005301,,7", "add phone"),
    ("12,11/22/26,15:00:00,Release,10.0.0.5,phone.school.example,02005E005301,,7", "release phone"),
]


@pytest.mark.parametrize(("line", "wanted"), SAMPLES)
def test_a_line_of_each_kind_is_read(line: str, wanted: str) -> None:
    event = lines.lease(line, time=NOW, site="school-a", source="192.0.2.1")
    assert event is not None
    assert (event.kind, event.ip, event.mac, event.source) == ("dhcp", "10.0.0.5", MAC, "192.0.2.1")
    word, name, *interface = wanted.split(" ")
    assert (event.event, event.hostname.removesuffix(".school.example")) == (word, name)
    assert event.interface == (interface[0] if interface else "")
    if "3600" in line:
        assert event.expires == NOW.replace(hour=9)


def test_leases_of_dhcpv6_bear_the_duid() -> None:
    duid = f"00:03:00:01:{MAC}"
    for line in (
        f"dnsmasq-dhcp[7]: DHCPREPLY(br0) 2001:db8:1::5 {duid} somchai-phone",
        f"DHCP6_LEASE_ALLOC duid=[{duid}], [no hwaddr info], tid=0x2: lease for address "
        "2001:db8:1::5 and iaid=7 has been allocated for 4000 seconds",
    ):
        event = lines.lease(line, time=NOW, site="school-a", source="192.0.2.1")
        assert event is not None
        assert (event.kind, event.ip, event.mac) == ("dhcp6", "2001:db8:1::5", MAC)
        assert event.client_id == duid


@pytest.mark.parametrize(
    "line",
    [
        "",
        "DHCPDISCOVER(br0) 02:00:5e:00:53:01",
        "DHCPACK(br0) 10.0.0.500 02:00:5e:00:53:01",
        "teacher assigned 10 pages to everybody",
        'dhcp_msg="Discover" mac="02:00:5e:00:53:01"',
        "24,11/22/26,15:00:00,Database Cleanup Begin,,,,,0",
    ],
)
def test_other_lines_tell_nothing(line: str) -> None:
    assert lines.lease(line, time=NOW, site="school-a", source="192.0.2.1") is None


CARRIERS = [
    "sshd[9]: Failed password for invalid user {} from 203.0.113.9 port 40000 ssh2",
    '<30>Nov 22 15:00:00 web nginx[9]: 203.0.113.9 "GET /?{} HTTP/1.1" 404',
    '<30>1 2026-11-22T15:00:00+07:00 web nginx 9 - - 203.0.113.9 "GET /?{} HTTP/1.1" 404',
    "hotspot,account,info,debug {} (10.0.0.9): login failed: invalid username or password",
    "<30>Nov 22 15:00:00 gw {} (10.0.0.9): trying to log in by http-chap",
    'date=2026-11-22 time=15:00:00 logid="0100032002" type="event" user="{}" msg="failed"',
    "<30>Nov 22 15:00:00 web webapp: {}",
    "dnsmasq[7]: query[A] {} from 10.0.0.9",
]
"""What programs say of what a stranger typed."""


@pytest.mark.parametrize("carrier", CARRIERS)
def test_what_a_stranger_typed_into_another_program_lends_nothing(carrier: str) -> None:
    named = f"x dhcp_msg=Ack ip=10.0.0.5 mac={MAC}"
    for line in [*(line for line, _ in SAMPLES), f"dhcp1 assigned 10.0.0.5 to {MAC}", named]:
        said = carrier.format(line)
        assert lines.lease(said, time=NOW, site="school-a", source="192.0.2.1") is None, said


HEADS = [
    "<30>",
    "<30>Nov 22 15:00:00 gw ",
    "<30>Nov  2 15:00:00 gw.school.example ",
    "<30>2026-11-22T15:00:00+07:00 gw ",
]


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize(("line", "wanted"), SAMPLES)
def test_a_syslog_header_in_front_does_no_harm(head: str, line: str, wanted: str) -> None:
    event = lines.lease(head + line, time=NOW, site="school-a", source="192.0.2.1")
    assert event is not None
    assert (event.event, event.mac) == (wanted.split(" ")[0], MAC)


def test_the_header_of_rfc_5424_does_no_harm() -> None:
    line = f"<30>1 2026-11-22T15:00:00Z gw dnsmasq-dhcp 7 - - DHCPACK(br0) 10.0.0.5 {MAC} phone"
    event = lines.lease(line, time=NOW, site="school-a", source="192.0.2.1")
    assert event is not None
    assert (event.ip, event.hostname) == ("10.0.0.5", "phone")


WORDS = st.sampled_from([word for line, _ in SAMPLES for word in line.split(" ")])
LINE = st.lists(WORDS | st.text(max_size=8), max_size=20).map(" ".join)


@given(LINE | st.text(max_size=200))
def test_any_line_is_an_event_that_can_be_stored_or_nothing(line: str) -> None:
    event = lines.lease(line, time=NOW, site="school-a", source="192.0.2.1")
    if event is not None:
        assert LeaseEvent.from_json(event.to_json()) == event


def test_a_syslog_message_as_received_is_read_at_the_time_it_was_sent() -> None:
    frame = Frame(
        kind=FrameKind.SYSLOG,
        site="school-a",
        received_ns=5,
        wire_ns=int(NOW.timestamp()) * 10**9,
        address="192.0.2.1",
        payload=b"<30>Nov 22 15:00:00 router dhcp,info dhcp1 assigned 10.0.0.5 to "
        + MAC.encode()
        + b"\n",
    )
    event = lines.of_frame(frame)
    assert event is not None
    assert (event.time, event.event, event.mac, event.server) == (NOW, "add", MAC, "192.0.2.1")


@given(st.binary(max_size=200))
def test_any_message_is_an_event_or_nothing(payload: bytes) -> None:
    frame = Frame(kind=FrameKind.SYSLOG, site="school-a", received_ns=0, wire_ns=0, payload=payload)
    assert lines.of_frame(frame) is None or b"1" in payload


def test_infoblox_says_how_long_a_lease_lasts() -> None:
    line = f"dhcpd[9]: DHCPACK on 10.0.0.5 to {MAC} (phone) via eth1 relay eth1 lease-duration 600"
    told = lines.read(f"{line} uid 01:{MAC}")
    assert told is not None
    assert (told.lease_s, told.interface, told.hostname) == (600, "eth1", "phone")
