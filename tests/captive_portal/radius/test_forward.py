"""Other servers are told of every session, in order, also after they were away for long."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from captive_portal.errors import PortalError, ReportError
from captive_portal.radius import client, forward, waiting, wire
from captive_portal.radius.forward import QUEUE, Forwarding, attributes_of, both
from captive_portal.radius.waiting import Waiting, WaitingEvents
from captive_portal.settings import RadiusUpstream
from collector.records import SessionEvent
from tests.captive_portal.conftest import NOW, SITE
from tests.captive_portal.freeradius import SECRET, FreeRadius, free_ports
from tests.captive_portal.radius.test_client import reply, server


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "WAITS_S", (0.2, 0.2))
    monkeypatch.setattr(client, "PROBE_S", 0.2)
    monkeypatch.setattr(forward, "AGAIN_S", 0.05)
    monkeypatch.setattr(forward, "IDLE_S", 0.02)


def event(what: str, session: UUID, at: datetime = NOW, **more: object) -> SessionEvent:
    made = SessionEvent(
        event_id=uuid4(),
        session=session,
        event=what,
        time=at,
        site=SITE,
        method="portal",
        start=NOW,
        addresses=("10.0.0.5", "fd00::5"),
        mac="02:00:00:00:00:01",
        account="มาลี",
    )
    return replace(made, **more)  # type: ignore[arg-type]  # of a test's choice


class Box:
    """A home with one upstream server, and a clock that stands until it is put on."""

    def __init__(self, home: Path, address: str, **more: object) -> None:
        (home / "secret").write_text(SECRET)
        self.home = home
        self.now = NOW
        given = {"id": "district", "site": SITE, "accounting": [address], "secret_file": "secret"}
        self.settings = RadiusUpstream.model_validate(given | more)

    def open(self) -> Forwarding:
        return Forwarding(self.home, [self.settings], clock=self.clock)

    def clock(self) -> int:
        return int(self.now.timestamp()) * 10**9

    def tell(self, forwarding: Forwarding, until: Callable[[], bool]) -> None:
        """Run until something is so, at most for long."""

        async def follow() -> None:
            running = asyncio.ensure_future(forwarding.run())
            deadline = time.monotonic() + 30
            while not until() and time.monotonic() < deadline:  # noqa: ASYNC110  # a server ends it
                await asyncio.sleep(0.01)
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

        asyncio.run(_then_close(follow(), forwarding))


async def _then_close(work: Awaitable[None], forwarding: Forwarding) -> None:
    try:
        await work
    finally:
        for servers in forwarding._servers.values():
            servers.close()


def acknowledge(request: bytes) -> list[bytes]:
    return [reply(request, 5, signed=False)]


def values(packet: bytes) -> dict[int, bytes]:
    found, at = {}, 20
    while at < len(packet):
        found[packet[at]] = packet[at + 2 : at + packet[at + 1]]
        at += packet[at + 1]
    return found


def statuses(heard: Sequence[bytes]) -> list[int]:
    return [values(one)[40][-1] for one in heard if one[0] == wire.ACCOUNTING_REQUEST]


def test_a_session_is_told_in_order_after_the_start_of_the_machine(tmp_path: Path) -> None:
    session = uuid4()
    with server(acknowledge) as (address, heard):
        box = Box(tmp_path, address)
        forwarding = box.open()
        forwarding.put([event("start", session), event("reject", uuid4())])
        later = NOW + timedelta(minutes=11)
        counted = {"bytes_in": 10101010101, "bytes_out": 7, "packets_in": 3}
        forwarding.put([event("update", session, later, **counted)])
        forwarding.put([event("stop", session, later, cause="quota", **counted)])
        box.tell(forwarding, lambda: forwarding.standing()["waiting"] == {})
        forwarding.close()
    assert statuses(heard) == [7, 1, 3, 2]
    stop = values(heard[-1])
    assert int.from_bytes(stop[42], "big") + (int.from_bytes(stop[52], "big") << 32) == 10101010101
    assert int.from_bytes(stop[46], "big") == 660
    assert stop[1].decode() == "มาลี"
    assert stop[31] == b"02-00-00-00-00-01"
    assert stop[44] == session.hex.encode()
    assert stop[49][-1] == 10


def test_a_firewall_is_told_the_group_in_filter_id(tmp_path: Path) -> None:
    session, person = uuid4(), uuid4()
    with server(acknowledge) as (address, heard):
        box = Box(tmp_path, address)
        named = {person: "นักเรียน ม.ต้น"}.__getitem__
        forwarding = Forwarding(tmp_path, [box.settings], clock=box.clock, group_of=named)
        forwarding.put([event("start", session, person=person), event("start", uuid4())])
        forwarding.put([event("stop", session, NOW + timedelta(hours=1), person=person)])
        box.tell(forwarding, lambda: forwarding.standing()["waiting"] == {})
        forwarding.close()
    told = [values(one) for one in heard if values(one).get(44) == session.hex.encode()]
    assert [one[40][-1] for one in told] == [1, 2]
    for one in told:
        assert one[11].decode() == "นักเรียน ม.ต้น"
        assert one[8] == bytes((10, 0, 0, 5))
    others = [values(one) for one in heard if values(one).get(44) != session.hex.encode()]
    assert [one for one in others if 11 in one] == []


def test_what_happened_while_the_server_was_away_for_an_hour_arrives_with_its_delay(
    tmp_path: Path,
) -> None:
    away = True

    def back_later(request: bytes) -> list[bytes]:
        return [] if away else acknowledge(request)

    sessions = [uuid4() for _ in range(20)]
    with server(back_later) as (address, heard):
        box = Box(tmp_path, address)
        forwarding = box.open()
        forwarding.put([event("start", one) for one in sessions])
        box.tell(forwarding, lambda: bool(heard))
        forwarding.put([event("stop", one) for one in sessions])
        forwarding.close()  # the box is started anew meanwhile
        box.now += timedelta(hours=1)
        away = False
        before = len(heard)
        again = box.open()
        box.tell(again, lambda: again.standing()["waiting"] == {})
        again.close()
    told = [values(one) for one in heard[before:]]
    assert statuses(heard[before:]).count(7) == 1
    of_sessions = [one for one in told if one[40][-1] != 7]
    assert len(of_sessions) == 40
    assert {int.from_bytes(one[41], "big") for one in of_sessions} == {3600}
    for session in sessions:
        mine = [one[40][-1] for one in of_sessions if one[44] == session.hex.encode()]
        assert mine == [1, 2]


def test_the_start_of_the_machine_is_told_once_and_nothing_overtakes_it(tmp_path: Path) -> None:
    with server(acknowledge) as (address, heard):
        box = Box(tmp_path, address)
        for _ in range(2):
            forwarding = box.open()
            forwarding.put([event("start", uuid4()) for _ in range(50)])
            box.tell(forwarding, lambda f=forwarding: f.standing()["waiting"] == {})  # type: ignore[misc]  # bound at once
            forwarding.close()
    assert statuses(heard)[0] == 7
    assert statuses(heard).count(7) == 1
    assert statuses(heard).count(1) == 100


def test_many_ends_at_once_are_told_once_each(tmp_path: Path) -> None:
    with server(acknowledge) as (address, heard):
        box = Box(tmp_path, address)
        forwarding = box.open()
        forwarding.put([event("stop", uuid4()) for _ in range(400)])
        box.tell(forwarding, lambda: forwarding.standing()["waiting"] == {})
        forwarding.close()
    assert statuses(heard).count(2) == 400


def test_interims_come_no_more_often_than_the_server_wants(tmp_path: Path) -> None:
    session = uuid4()
    box = Box(tmp_path, "127.0.0.1:1")
    forwarding = box.open()
    forwarding.put([event("start", session)])
    for minute in range(1, 31):
        forwarding.put([event("update", session, NOW + timedelta(minutes=minute))])
    assert forwarding.standing()["waiting"] == {"district": 2 + 3}
    forwarding.close()


@pytest.mark.parametrize("more", [{"site": "school-b"}, {"method": "syslog"}])
def test_what_does_not_concern_a_server_is_not_told(
    tmp_path: Path, more: dict[str, object]
) -> None:
    box = Box(tmp_path, "127.0.0.1:1")
    forwarding = box.open()
    forwarding.put([replace(event("start", uuid4()), **more)])  # type: ignore[arg-type]  # texts
    assert forwarding.standing()["waiting"] == {"district": 1}
    forwarding.close()


def test_an_event_that_is_told_twice_waits_once(tmp_path: Path) -> None:
    box = Box(tmp_path, "127.0.0.1:1")
    once = event("start", uuid4())
    forwarding = box.open()
    forwarding.put([once])
    forwarding.close()
    again = box.open()
    again.put([once])
    assert again.standing()["waiting"] == {"district": 2}
    again.close()


def test_where_nobody_is_told_no_queue_is_made(tmp_path: Path) -> None:
    forwarding = Forwarding(tmp_path, [], clock=lambda: 0)
    forwarding.put([event("start", uuid4())])
    assert forwarding.standing() == {}
    assert not (tmp_path / QUEUE).exists()
    forwarding.close()


def test_a_queue_that_cannot_be_written_lets_nobody_in(tmp_path: Path) -> None:
    box = Box(tmp_path, "127.0.0.1:1")
    forwarding = box.open()
    forwarding.close()
    told: list[str] = []
    tell = both(lambda _: lambda: told.append("the collector"), forwarding)
    with pytest.raises(ReportError, match="queue"):
        tell([event("start", uuid4())])()
    assert told == ["the collector"]


def test_a_damaged_queue_is_told(tmp_path: Path) -> None:
    (tmp_path / QUEUE).parent.mkdir()
    (tmp_path / QUEUE).write_bytes(b"no database" * 100)
    with pytest.raises(PortalError, match="cannot be opened"):
        Box(tmp_path, "127.0.0.1:1").open()


def test_past_its_bound_interims_go_first_and_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "MOST", 10)
    queue = WaitingEvents(tmp_path / "queue.sqlite")

    def put(status: int, count: int) -> None:
        queue.put(
            Waiting(upstream="a", event=uuid4().hex, session="s", status=status, at_us=0, body="[]")
            for _ in range(count)
        )

    put(1, 4)
    put(3, 6)
    put(2, 5)
    assert queue.dropped == 5
    assert [one.status for one in queue.head("a", 99)] == [1] * 4 + [3] + [2] * 5
    put(1, 6)
    assert queue.dropped == 11
    assert len(queue) == 10 == len(queue.head("a", 99))
    queue.close()


def test_a_real_server_takes_it(tmp_path: Path) -> None:
    with FreeRadius(tmp_path / "freeradius", users="", ports=free_ports(2)) as radius:
        box = Box(tmp_path, f"127.0.0.1:{radius.acct_port}")
        forwarding = box.open()
        session = uuid4()
        forwarding.put([event("start", session), event("stop", session, bytes_in=5 << 32)])
        box.tell(forwarding, lambda: forwarding.standing()["waiting"] == {})
        forwarding.close()
        detail = radius.detail.read_text()
    assert detail.count("Acct-Status-Type = Accounting-On") == 1
    assert detail.index("= Start") < detail.index("= Stop")
    assert "Acct-Input-Gigawords = 5" in detail
    assert "Framed-IPv6-Address = fd00::5" in detail


@given(st.text(max_size=300), st.integers(0, 2**70), st.sampled_from(["start", "update", "stop"]))
def test_any_event_fits_into_a_packet(account: str, count: int, what: str) -> None:
    told = attributes_of(event(what, uuid4(), account=account, bytes_in=count, cause=account))
    assert len(wire.encoded(told)) < 4000
