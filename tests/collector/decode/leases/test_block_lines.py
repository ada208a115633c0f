"""Lines of NATs lend blocks of ports, lines that only repeat such words do not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.decode.leases import block_lines
from collector.records import LeaseEvent

NOW = datetime(2026, 1, 25, 3, tzinfo=UTC)
_HEX = f"{int((NOW - timedelta(hours=1)).timestamp()):x}"
_PAIRS = (
    f'block-used="1" block-max-per-host="4" block-port-low="2048" block-port-high="2111" '
    f'reflexive-ip="198.51.100.7" nat-pool-name="guest" epoch-time-64="{_HEX}"'
)
_SRX = "<14>1 2026-01-25T03:00:00Z srx-1 RT_NAT - RT_SRC_NAT_PBA_{} [junos@2636.1.1.1.2.129 {}]"
_MEMBERS = f'internal-ip="10.0.10.10" {_PAIRS}'
_MX = (
    "<14>Jan 25 10:00:00 mx-1 RT_NAT: RT_SRC_NAT_PBA_{}: Subscriber 10.0.10.10 used/maximum [1/4] "
    "blocks, {} port block [2048-2111] from 198.51.100.7 in source pool guest lsys_id: 0 "
    f"epoch 0x{_HEX}"
)
_CARD = (
    "<14>Jan 25 10:00:00 mx-2 2026-01-25 03: 00:00: {{ss-1}}[jservices-nat]: "
    "JSERVICES_NAT_PORT_BLOCK_{}: 10.0.10.10 -> 198.51.100.7:2048-2111 0x0"
)
_DPC = (
    "<14>Jan 25 10:00:00 mx-3 (FPC Slot 2, PIC Slot 0) 2026-01-25 03:00:00 [FWNAT]:"
    "ASP_NAT_PORT_BLOCK_{}: 10.0.10.10 -> 198.51.100.7:2048-2111"
)
_A10 = (
    "<134>Jan 25 10:00:00 cgn-1 NAT:20260125100000 3e2d PortBatchV2{}: "
    "[10.0.10.10 198.51.100.7 2048 2111]"
)
_ASR = (
    "<14>1 2026 Jan 25 10:00:00 asr-1 - - NAT44 - "
    "[Userbased{} - 10.0.10.10 lab - 198.51.100.7 - 2048 2111]"
)
_FGT = (
    '<189>date=2026-01-25 time=10:00:00 devname="fgt-1" logid="01000{}" type="event" '
    'subtype="system" level="notice" vd="root" logdesc="IP pool PBA" action="pba-{}" '
    'msg="of somchai" nat=198.51.100.7 saddr="10.0.10.10" poolname="guest" portbegin=2048 '
    "portend=2111"
)
HOUR = timedelta(hours=1)
LINES = [
    (_SRX.format("ALLOC", _MEMBERS), "add", NOW),
    (_SRX.format("INTERIM", _MEMBERS), "renew", NOW - HOUR),
    (_SRX.format("RELEASE", _MEMBERS), "release", None),
    (_MX.format("ALLOC", "allocates"), "add", NOW),
    (_MX.format("RELEASE", "releases"), "release", None),
    (_CARD.format("ALLOC"), "add", NOW),
    (_CARD.format("ACTIVE"), "renew", None),
    (_CARD.format("RELEASE"), "release", None),
    (_DPC.format("ALLOC"), "add", NOW),
    (_DPC.format("RELEASE"), "release", None),
    (_A10.format("Allocated"), "add", NOW),
    (_A10.format("Freed"), "release", None),
    (_ASR.format("A"), "add", NOW),
    (_ASR.format("W"), "release", None),
    (_FGT.format("22015", "create"), "add", NOW),
    (_FGT.format("22024", "interim") + " duration=3600", "renew", NOW - HOUR),
    (_FGT.format("22016", "close") + " duration=3600", "release", NOW - HOUR),
]


def told(line: str) -> list[LeaseEvent]:
    payload = line.encode("utf-8", "replace")
    if not block_lines.may_tell(payload):
        return []
    return list(block_lines.told(line, time=NOW, site="school-a", source="192.0.2.9"))


@pytest.mark.parametrize(("line", "event", "start"), LINES, ids=[f"{n}" for n in range(len(LINES))])
def test_a_line_lends_its_block(line: str, event: str, start: datetime | None) -> None:
    (found,) = told(line)
    assert (found.kind, found.event, found.start) == ("block", event, start)
    assert (found.ip, found.nat_ip) == ("10.0.10.10", "198.51.100.7")
    assert (found.port_first, found.port_last) == (2048, 2111)
    assert (found.time, found.site, found.source) == (NOW, "school-a", "192.0.2.9")


def test_one_line_may_tell_of_several_blocks() -> None:
    more = "[UserbasedW - 10.0.10.11 - 198.51.100.8 - 1024 1535]"
    found = told(_ASR.format("A") + more)
    assert [(one.event, one.ip, one.port_first) for one in found] == [
        ("add", "10.0.10.10", 2048),
        ("release", "10.0.10.11", 1024),
    ]


@pytest.mark.parametrize(
    "wrong",
    [
        _MX.format("ALLOC", "allocates").replace("2048-2111", "2111-2048"),
        _MX.format("ALLOC", "allocates").replace("2048-2111", "2048-70000"),
        _CARD.format("ALLOC").replace("10.0.10.10", "10.0.10.999"),
        _FGT.format("22014", "create"),
        _SRX.format("ALLOC", _MEMBERS).replace("internal-ip", "other-ip"),
    ],
)
def test_what_can_not_be_lends_nothing(wrong: str) -> None:
    assert told(wrong) == []


_CARRIERS = (
    '<30>Nov 22 15:00:00 web nginx[9]: 203.0.113.9 - - "GET /?{} HTTP/1.1" 404 12',
    "<86>Nov 22 15:00:00 web sshd[9]: Invalid user {} from 203.0.113.9 port 40000",
    "<30>1 2026-11-22T15:00:00+07:00 web webapp 9 - - {} could not be found",
    "<30>Nov 22 15:00:00 web webapp: {} could not be found",
    "<30>Nov 22 15:00:00 gw hotspot,info,debug {} (10.0.0.9): login failed: invalid password",
)


@pytest.mark.parametrize("carrier", _CARRIERS)
def test_what_a_stranger_types_into_a_program_lends_nothing(carrier: str) -> None:
    for line, *_ in LINES:
        for text in (line, line.partition(" RT_NAT")[2], line.partition("-1 ")[2], line[4:]):
            assert told(carrier.replace("{}", text)) == []


_PIECES = st.sampled_from(
    [line for line, *_ in LINES]
    + ["[UserbasedA - ", " - NAT44 - ", "2048", "::", " -> ", "[", "0x"]
)


@given(st.lists(_PIECES | st.text(max_size=20), max_size=8).map("".join))
def test_any_text_lends_nothing_wrong(line: str) -> None:
    for one in told(line):
        assert one.port_first is not None
        assert one.port_last is not None
        assert 0 <= one.port_first <= one.port_last <= 65535
        assert LeaseEvent.from_json(one.to_json()) == one
