"""Orders to NASes and from them: real packets on loopback, and radclient on both ends."""

import asyncio
import hashlib
import ipaddress
import json
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from captive_portal.errors import ReportError
from captive_portal.radius.clients import Client, Clients
from captive_portal.radius.obeying import DynamicServer
from captive_portal.radius.orders import CONFIRMED, OVER_THERE, NasOrders, genuine
from captive_portal.radius.ticket import Ticket
from captive_portal.sessions.nas_terms import Ordered
from captive_portal.sessions.obeyed import Beyond, NoGroup
from captive_portal.sessions.session import Ids, Nas, Person, Session
from captive_portal.settings import NasKind
from tests.captive_portal.conftest import NOW
from tests.captive_portal.freeradius import free_ports
from tests.captive_portal.radius.test_guard import PACKETS, attribute
from tests.captive_portal.radius.test_server import Wire

SECRET = b"a-secret-for-orders"
IDS = Ids(b"k" * 32)
RADCLIENT = shutil.which("radclient")
needs_radclient = pytest.mark.skipif(RADCLIENT is None, reason="radclient is not here")
PEER = ("127.0.0.1", 40_000)


def client(port: int = 3799, **more: Any) -> Client:
    network = ipaddress.ip_network("127.0.0.1")
    return replace(Client(network=network, site="a", secret=SECRET, coa_port=port), **more)


def session(**more: Any) -> Session:
    given = Session(
        id=uuid4(),
        site="a",
        method="accounting",
        person=Person(id=uuid4(), account="สมชาย"),
        start=NOW,
        last_seen=NOW,
        addresses=("10.0.0.9", "2001:db8::9"),
        mac="02:00:5e:00:53:01",
        calling_station="02-00-5E-00-53-01",
        acct_session_id="5F000001",
        nas=Nas(identifier="ap-1", address="10.0.0.1", source="127.0.0.1", client="127.0.0.1/32"),
    )
    return replace(given, **more)


class FakeNas:
    """Answers orders as a test wishes: `do` gives the answers to one request."""

    def __init__(self, do: Callable[["FakeNas", bytes], Sequence[bytes]]) -> None:
        self._do = do
        self.heard: list[bytes] = []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.settimeout(0.1)
        self.port = int(self._socket.getsockname()[1])
        self._over = False
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> "FakeNas":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over = True
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        while not self._over:
            try:
                data, peer = self._socket.recvfrom(4096)
            except TimeoutError:
                continue
            self.heard.append(data)
            for answer in self._do(self, data):
                self._socket.sendto(answer, peer)


def reply(request: bytes, code: int, attributes: bytes = b"", *, secret: bytes = SECRET) -> bytes:
    head = bytes((code, request[1])) + (20 + len(attributes)).to_bytes(2, "big")
    return head + hashlib.md5(head + request[4:20] + attributes + secret).digest() + attributes


def vsa(vendor: int, kind: int, value: bytes) -> bytes:
    return attribute(26, vendor.to_bytes(4, "big") + attribute(kind, value))


def cause(number: int) -> bytes:
    return attribute(101, number.to_bytes(4, "big"))


def order(nas: FakeNas, one: Session | None = None, kind: NasKind = "generic") -> str:
    orders = NasOrders(Clients([client(nas.port, kind=kind)]), clock=time.time_ns, wait_s=0.3)
    return asyncio.run(orders.disconnect(one or session())).words


def test_a_nas_that_confirms() -> None:
    with FakeNas(lambda _, asked: [reply(asked, 41)]) as nas:
        assert order(nas) == CONFIRMED
    (asked,) = nas.heard
    assert asked[0] == 40
    made = hashlib.md5(asked[:4] + bytes(16) + asked[20:] + SECRET).digest()
    assert asked[4:20] == made
    for told in (attribute(44, b"5F000001"), attribute(31, b"02-00-5E-00-53-01")):
        assert told in asked
    assert asked[20] == 80
    assert attribute(1, "สมชาย".encode()) not in asked


def test_a_kind_that_goes_by_the_name_is_told_it() -> None:
    with FakeNas(lambda _, asked: [reply(asked, 41)]) as nas:
        assert order(nas, kind="mikrotik") == CONFIRMED
    assert attribute(1, "สมชาย".encode()) in nas.heard[0]


def test_a_nas_that_refuses_says_why() -> None:
    with FakeNas(lambda _, asked: [reply(asked, 42, cause(503))]) as nas:
        assert order(nas) == OVER_THERE
    with FakeNas(lambda _, asked: [reply(asked, 42, cause(501))]) as nas:
        assert order(nas) == "the NAS refused: administratively prohibited (501)"


def test_a_mute_nas_is_asked_three_times_with_one_packet() -> None:
    with FakeNas(lambda *_: []) as nas:
        told = order(nas)
    assert told == f"ended here, NAS unconfirmed: no answer from 127.0.0.1:{nas.port}"
    assert len(nas.heard) == 3
    assert len(set(nas.heard)) == 1


def test_a_nas_that_is_away_is_unconfirmed() -> None:
    (port,) = free_ports(1)
    orders = NasOrders(Clients([client(port)]), clock=time.time_ns, wait_s=0.05)
    assert "unconfirmed" in asyncio.run(orders.disconnect(session())).words
    gone = session(nas=Nas(source="192.0.2.1", client="192.0.2.1/32"))
    assert "not in the settings" in asyncio.run(orders.disconnect(gone)).words


def test_only_the_first_true_answer_counts() -> None:
    def answers(nas: FakeNas, asked: bytes) -> list[bytes]:
        forged = reply(asked, 41, secret=b"another-secret-x")
        other = reply(bytes((40, (asked[1] + 1) % 256)) + asked[2:], 41)
        garbage_signature = reply(asked, 41, attribute(80, bytes(16)))
        return [
            *(b"", b"x" * 30, forged, other, garbage_signature, reply(asked, 44)),
            *(reply(asked, 42, cause(504)), reply(asked, 41)),
        ]

    with FakeNas(answers) as nas:
        assert order(nas).startswith("the NAS refused: session context not removable")


def test_a_kind_that_takes_no_orders_is_not_asked() -> None:
    with FakeNas(lambda _, asked: [reply(asked, 41)]) as nas:
        assert "takes no such orders" in order(nas, kind="opnsense")
    assert nas.heard == []


@given(st.binary(min_size=20, max_size=100))
def test_any_answer_is_true_or_not(octets: bytes) -> None:
    whole = octets[:2] + len(octets).to_bytes(2, "big") + octets[4:20]
    assert not genuine(whole, bytes(16), SECRET)


class Boss:
    """A server for orders without a network, with sessions in a list."""

    def __init__(self, *sessions: Session, fails: bool = False, **more: Any) -> None:
        self.sessions = {one.id: one for one in sessions}
        self.ended: list[UUID] = []
        self.fails = fails
        self.changed: list[Ordered] = []
        self.most_kbit = 2000
        self.wire = Wire()
        self.now = time.time_ns()
        self.server = DynamicServer(
            Clients([client(**more)]),
            sessions=self,
            end=self.end,
            change=self.change,
            named=("prathu",),
            ids=IDS,
            clock=lambda: self.now,
        )
        self.server.connection_made(self.wire)

    def get(self, session: UUID) -> Session | None:
        return self.sessions.get(session)

    def open(self) -> Sequence[Session]:
        return list(self.sessions.values())

    def open_at(self, site: str, address: str) -> Sequence[Session]:
        return [one for one in self.open() if one.site == site and address in one.addresses]

    def open_at_mac(self, site: str, mac: str) -> Sequence[Session]:
        return [one for one in self.open() if one.site == site and one.mac == mac]

    async def end(self, session: UUID, why: str) -> Session | None:
        if self.fails:
            raise ReportError("the collector cannot be told")
        self.ended.append(session)
        return self.sessions.pop(session, None)

    async def change(self, session: UUID, told: Ordered) -> Session | None:
        if (told.up_kbit or 0) > self.most_kbit:
            raise Beyond("more than the group")
        if told.group and told.group != "นักเรียน":
            raise NoGroup("no such group")
        self.changed.append(told)
        return self.sessions.get(session)

    def send(self, *datagrams: bytes) -> list[bytes]:
        async def work() -> None:
            for datagram in datagrams:
                self.server.datagram_received(datagram, PEER)
            serving = asyncio.ensure_future(self.server.serve())
            await asyncio.sleep(0.1)
            serving.cancel()

        before = len(self.wire.sent)
        self.server._queue = asyncio.Queue(256)
        asyncio.run(work())
        return [data for data, _ in self.wire.sent[before:]]

    def ask(self, attributes: bytes, *, code: int = 40) -> tuple[int, int]:
        """Return code and Error-Cause of the answer."""
        (answer,) = self.send(request(attributes, code=code))
        at = answer.find(b"\x65\x06")
        return answer[0], int.from_bytes(answer[at + 2 : at + 6], "big") if at > 0 else 0


def request(attributes: bytes, *, code: int = 40, secret: bytes = SECRET) -> bytes:
    head = bytes((code, 7)) + (20 + len(attributes)).to_bytes(2, "big")
    return head + hashlib.md5(head + bytes(16) + attributes + secret).digest() + attributes


ID = attribute(44, b"5F000001")


def test_an_order_ends_the_one_session_that_it_means_and_a_copy_none() -> None:
    one, other = session(), session(acct_session_id="X", mac="02:00:5e:00:53:02")
    boss = Boss(one, other)
    asked = request(ID + attribute(1, "สมชาย".encode()))
    first = boss.send(asked, asked)
    assert [answer[0] for answer in first] == [41]
    assert boss.send(asked) == first
    assert boss.ended == [one.id]
    assert boss.ask(ID) == (42, 503)


ticket_of_nobody = Ticket(session=UUID(int=1), person=UUID(int=2), site="a")


@pytest.mark.parametrize(
    ("attributes", "code", "expected"),
    [
        (ID + attribute(1, b"somebody-else"), 40, (42, 503)),
        (attribute(44, b"NOPE"), 40, (42, 503)),
        (ID + attribute(31, b"02-00-5E-00-53-09"), 40, (42, 503)),
        (ID + attribute(8, bytes((10, 0, 0, 8))), 40, (42, 503)),
        (ID + attribute(25, b"whatever"), 40, (42, 503)),
        (ID + attribute(25, ticket_of_nobody.octets(IDS)), 40, (42, 503)),
        (ID + attribute(32, b"ap-2"), 40, (42, 403)),
        (ID + attribute(250, b"x"), 40, (42, 401)),
        (ID + attribute(27, bytes(4)), 40, (42, 401)),
        (attribute(32, b"ap-1"), 40, (42, 402)),
        (b"", 40, (42, 402)),
        (ID + attribute(250, b"x"), 43, (45, 401)),
        (ID, 43, (45, 402)),
        (ID + attribute(6, bytes((0, 0, 0, 17))) + attribute(24, b"x"), 43, (45, 405)),
        (ID + attribute(6, bytes((0, 0, 0, 2))), 43, (45, 405)),
        (ID + attribute(27, bytes(4)), 43, (45, 407)),
        (ID + attribute(27, b"\x00\x00\x01"), 43, (45, 407)),
        (ID + attribute(27, b"\xff\xff\xff\xff"), 43, (45, 407)),
        (ID + attribute(11, b"pupils"), 43, (45, 501)),
        (ID + vsa(14122, 7, (3_000_000).to_bytes(4, "big")), 43, (45, 501)),
        (ID + vsa(14122, 9, b"2026"), 43, (45, 401)),
        (ID + vsa(9, 1, b"x=y"), 43, (45, 401)),
        (ID + attribute(26, b"\x00\x00\x37"), 43, (45, 407)),
        (ID + vsa(14988, 8, "๑M".encode()), 43, (45, 407)),
        (ID + vsa(14988, 8, b"1M/2M 4M/4M"), 43, (45, 407)),
        (attribute(44, b"NOPE"), 43, (45, 503)),
    ],
)
def test_an_order_that_is_not_followed_says_why(
    attributes: bytes, code: int, expected: tuple[int, int]
) -> None:
    boss = Boss(session())
    assert boss.ask(attributes, code=code) == expected
    assert boss.ended == []


def test_all_kinds_of_names_are_understood_together() -> None:
    one = session()
    ours = Ticket(session=one.id, person=uuid4(), site="a").octets(IDS)
    boss = Boss(one)
    all_of_it = b"".join(
        (
            ID,
            attribute(1, "สมชาย".encode()),
            attribute(4, bytes((10, 0, 0, 1))),
            attribute(8, bytes((10, 0, 0, 9))),
            attribute(25, ours),
            attribute(31, b"0200.5e00.5301"),
            attribute(32, b"ap-1"),
            attribute(33, b"state"),
            attribute(55, (boss.now // 10**9).to_bytes(4, "big")),
        )
    )
    assert boss.ask(all_of_it) == (41, 0)


def test_two_that_are_meant_are_not_ended() -> None:
    assert Boss(session(), session()).ask(ID) == (42, 508)


def test_nobody_ends_what_another_reported_unless_it_may() -> None:
    foreign = session(nas=Nas(source="192.0.2.1", client="192.0.2.1/32"))
    elsewhere = session(site="b")
    assert Boss(foreign).ask(ID) == (42, 503)
    assert Boss(foreign, orders=True).ask(ID) == (41, 0)
    assert Boss(elsewhere, orders=True).ask(ID) == (42, 503)


def test_old_and_forged_orders_meet_silence() -> None:
    boss = Boss(session())
    old = (boss.now // 10**9 - 301).to_bytes(4, "big")
    assert boss.send(request(ID + attribute(55, old))) == []
    assert boss.send(request(ID, secret=b"another")) == []
    assert boss.send(request(ID + attribute(80, bytes(16)))) == []
    counted = boss.server.counters.of(PEER[0])
    assert (counted["replay"], counted["wrong-authenticator"]) == (1, 2)


def test_an_order_without_a_time_does_not_end_the_next_session_of_the_same_person() -> None:
    by_name = request(attribute(1, "สมชาย".encode()))
    boss = Boss(session())
    assert [answer[0] for answer in boss.send(by_name)] == [41]
    later = session()
    boss.sessions[later.id] = later
    boss.now += 3600 * 10**9
    assert boss.send(by_name) == []
    assert boss.server.counters.of(PEER[0])["replay"] == 1
    assert later.id not in boss.ended
    timed = attribute(55, (boss.now // 10**9).to_bytes(4, "big"))
    assert boss.ask(attribute(1, "สมชาย".encode()) + timed) == (41, 0)


def test_an_order_without_a_time_does_not_end_the_next_session_that_a_nas_calls_the_same() -> None:
    boss = Boss(session())
    assert [answer[0] for answer in boss.send(request(ID))] == [41]
    boss.sessions.clear()
    # A NAS that starts anew counts from the beginning.
    later = session()
    boss.sessions[later.id] = later
    boss.now += 3600 * 10**9
    assert boss.send(request(ID)) == []
    assert later.id not in boss.ended


def test_a_change_that_is_sent_again_later_is_not_done_again() -> None:
    boss = Boss(session())
    timed = attribute(55, (boss.now // 10**9).to_bytes(4, "big"))
    asked = request(ID + timed + attribute(28, bytes((0, 0, 1, 44))), code=43)
    first = boss.send(asked, asked)
    assert [answer[0] for answer in first] == [44]
    boss.now += 60 * 10**9
    assert boss.send(asked) == []
    assert (boss.server.counters.of(PEER[0])["replay"], len(boss.changed)) == (1, 1)


def test_an_order_that_cannot_be_kept_is_refused() -> None:
    assert Boss(session(), fails=True).ask(ID) == (42, 506)


@pytest.mark.skipif(not PACKETS.exists(), reason="../shared/data/radius is not here")
def test_the_shared_orders_are_answered_as_they_say() -> None:
    document = json.loads(PACKETS.read_text())
    boss = Boss(session(), secret=document["secret"].encode())
    cases = {c["case"]: c for c in document["cases"] if c["group"] == "dynamic-authorization"}
    expected = {
        "disconnect": [],
        "disconnect_no_match": [42],
        "disconnect_wrong_authenticator": [],
        "coa_unknown_attribute": [45],
        "coa_ma": [44],
    }
    assert expected.keys() == cases.keys()
    for name, codes in expected.items():
        assert [answer[0] for answer in boss.send(bytes.fromhex(cases[name]["hex"]))] == codes, name


class Live:
    """A server for orders on a port."""

    def __init__(self, boss: Boss) -> None:
        self._boss = boss
        self.port = 0
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=lambda: self._loop.run_until_complete(self._run()))

    async def _run(self) -> None:
        await self._boss.server.open("127.0.0.1", 0)
        self.port = self._boss.server.port
        serving = asyncio.ensure_future(self._boss.server.serve())
        self._ready.set()
        await self._stop.wait()
        serving.cancel()
        self._boss.server.close()

    def __enter__(self) -> "Live":
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        self._loop.close()


@pytest.fixture
def secret_file(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "secret"
    path.write_bytes(SECRET + b"\n")
    yield path


@needs_radclient
def test_radclient_ends_a_session_and_is_told_why_not(secret_file: Path) -> None:
    assert RADCLIENT is not None
    boss = Boss(session(), orders=True)

    def say(attributes: str, what: str) -> str:
        argv = [RADCLIENT, "-x", "-r", "1", "-t", "5", "-S", str(secret_file)]
        argv += [f"127.0.0.1:{live.port}", what]
        done = subprocess.run(argv, input=attributes.encode(), capture_output=True)
        return done.stdout.decode()

    with Live(boss) as live:
        now = f"Event-Timestamp = {int(time.time())}, Message-Authenticator = 0x00"
        assert "Session-Context-Not-Found" in say(f"Acct-Session-Id = 'X', {now}", "disconnect")
        here = f"Acct-Session-Id = '5F000001', {now}"
        unasked = "Service-Type = Authorize-Only, State = 0x01"
        assert "Unsupported-Service" in say(f"{here}, {unasked}", "coa")
        slower = "WISPr-Bandwidth-Max-Up = 512000, WISPr-Bandwidth-Max-Down = 1024000"
        assert "CoA-ACK" in say(f"{here}, Session-Timeout = 600, {slower}", "coa")
        assert "Administratively-Prohibited" in say(
            f"{here}, WISPr-Bandwidth-Max-Up = 90000000", "coa"
        )
        assert "CoA-ACK" in say(f"{here}, Filter-Id = 'นักเรียน'", "coa")
        assert "Disconnect-ACK" in say(f"Acct-Session-Id = '5F000001', {now}", "disconnect")
    assert len(boss.ended) == 1
    first, second = boss.changed
    assert (first.up_kbit, first.down_kbit) == (512, 1024)
    assert first.until == NOW + timedelta(seconds=600)
    assert (second.group, second.by) == ("นักเรียน", "127.0.0.1")
