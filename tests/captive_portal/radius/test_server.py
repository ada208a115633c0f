"""The server answers what is kept, once, and nothing else; nothing stops it."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, cast

from typing_extensions import override

from captive_portal.errors import ReportError, ReportRefused
from captive_portal.radius.clients import Clients
from captive_portal.radius.endpoint import REMEMBERED_S
from captive_portal.radius.server import AccountingServer
from captive_portal.sessions.accounting import Accounting
from captive_portal.sessions.session import Ids
from tests.captive_portal.radius.test_guard import START, attribute, client, request

PEER = ("192.0.2.1", 50_000)
NOBODY = ("198.51.100.1", 50_000)
Keep = Callable[[Sequence[Accounting]], Sequence[Accounting]]


class Wire(asyncio.DatagramTransport):
    """Takes what the server sends."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[tuple[bytes, Any]] = []

    @override
    def sendto(self, data: Any, addr: Any = None) -> None:
        self.sent.append((bytes(data), addr))

    @override
    def is_closing(self) -> bool:
        return False


class Bench:
    """A server without a network: datagrams are handed in, answers looked at."""

    def __init__(self, keep: Keep) -> None:
        self.wire = Wire()
        self.now = 10**18
        self.server = AccountingServer(
            Clients([client()]),
            keep=keep,
            run=self._run,
            ids=Ids(b"k" * 32),
            clock=lambda: self.now,
        )
        self.server.connection_made(self.wire)

    def _run(self, work: Callable[[], None]) -> "asyncio.Future[None]":
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        try:
            work()
        except Exception as error:  # noqa: BLE001  # as an executor does
            done.set_exception(error)
        else:
            done.set_result(None)
        return done

    def send(self, *datagrams: bytes, peer: tuple[str, int] = PEER) -> list[bytes]:
        """Hand datagrams in, let the server work, and return what it answered since."""

        async def work() -> None:
            for datagram in datagrams:
                self.server.datagram_received(datagram, peer)
            serving = asyncio.ensure_future(self.server.serve())
            await asyncio.sleep(0.01)
            serving.cancel()

        before = len(self.wire.sent)
        asyncio.run(work())
        return [data for data, _ in self.wire.sent[before:]]


def kept(into: list[Accounting], *, believed: bool = True) -> Keep:
    def keep(batch: Sequence[Accounting]) -> Sequence[Accounting]:
        into.extend(batch)
        return [] if believed else batch

    return keep


def a_start(session: bytes = b"S1") -> bytes:
    return request(START + attribute(44, session))


def test_three_copies_get_three_equal_answers_and_are_kept_once() -> None:
    took: list[Accounting] = []
    bench = Bench(kept(took))
    answers = bench.send(a_start()) + bench.send(a_start()) + bench.send(a_start())
    assert len(answers) == 3
    assert len(set(answers)) == 1
    assert len(took) == 1


def test_a_copy_of_what_is_being_worked_on_is_swallowed() -> None:
    took: list[Accounting] = []
    assert len(Bench(kept(took)).send(a_start(), a_start())) == 1
    assert len(took) == 1


def test_another_port_and_another_authenticator_are_new_requests() -> None:
    took: list[Accounting] = []
    bench = Bench(kept(took))
    bench.send(a_start())
    bench.send(a_start(), peer=(PEER[0], 50_001))
    bench.send(a_start(b"S2"))
    assert len(took) == 3


def test_an_answer_is_forgotten_in_time() -> None:
    took: list[Accounting] = []
    bench = Bench(kept(took))
    bench.send(a_start())
    bench.now += (REMEMBERED_S + 1) * 10**9
    bench.send(a_start())
    assert len(took) == 2
    assert took[0].event_id == took[1].event_id


def test_an_unknown_source_meets_silence_and_is_counted() -> None:
    took: list[Accounting] = []
    bench = Bench(kept(took))
    assert bench.send(a_start(), peer=NOBODY) == []
    assert took == []
    assert bench.server.counters.of(NOBODY[0]) == {"unknown": 1}


def test_what_is_not_kept_is_not_answered_and_its_copy_is_tried_again() -> None:
    took: list[Accounting] = []
    fails = [True]

    def keep(batch: Sequence[Accounting]) -> Sequence[Accounting]:
        if fails:
            raise ReportError("the collector cannot be told")
        took.extend(batch)
        return []

    bench = Bench(keep)
    assert bench.send(a_start()) == []
    assert bench.server.counters.of(PEER[0])["not-kept"] == 1
    fails.clear()
    assert len(bench.send(a_start())) == 1
    assert len(took) == 1


def test_one_packet_that_cannot_be_worked_on_does_not_hold_up_the_others() -> None:
    took: list[Accounting] = []

    def keep(batch: Sequence[Accounting]) -> Sequence[Accounting]:
        if any(one.acct_session_id == "poison" for one in batch):
            raise RuntimeError("a fault of ours")
        took.extend(batch)
        return []

    bench = Bench(keep)
    answers = bench.send(a_start(b"S1"), a_start(b"poison"), a_start(b"S2"))
    assert len(answers) == 2
    assert [one.acct_session_id for one in took] == ["S1", "S2"]
    assert bench.server.counters.of(PEER[0])["error"] == 1


def test_one_packet_that_the_collector_refuses_does_not_hold_up_the_others() -> None:
    took: list[Accounting] = []

    def keep(batch: Sequence[Accounting]) -> Sequence[Accounting]:
        if any(one.acct_session_id == "poison" for one in batch):
            raise ReportRefused("the collector refused: not an event of kind session")
        took.extend(batch)
        return []

    bench = Bench(keep)
    assert len(bench.send(a_start(b"S1"), a_start(b"poison"), a_start(b"S2"))) == 2
    assert [one.acct_session_id for one in took] == ["S1", "S2"]
    assert bench.server.counters.of(PEER[0])["not-kept"] == 1


def test_a_good_packet_after_bad_ones_is_answered() -> None:
    bench = Bench(kept([]))
    bad = [b"", b"x" * 5000, a_start()[:-1], request(START + b"\x08\x06abc"), bytes(20)]
    assert len(bench.send(*bad, a_start())) == 1
    assert sum(bench.server.counters.of(PEER[0]).values()) == len(bad) + 1


def test_a_packet_about_another_clients_session_is_answered_and_counted() -> None:
    bench = Bench(kept([], believed=False))
    assert len(bench.send(a_start())) == 1
    assert bench.server.counters.of(PEER[0])["not-its-session"] == 1


def test_a_flood_is_bounded_and_counted() -> None:
    bench = Bench(kept([]))

    async def flood() -> None:
        for number in range(1500):
            bench.server.datagram_received(a_start(str(number).encode()), PEER)

    asyncio.run(flood())
    assert bench.server.counters.total("busy") == 1500 - 1024


def test_forged_sources_do_not_fill_memory() -> None:
    bench = Bench(kept([]))

    async def forge() -> None:
        for number in range(3000):
            address = f"198.51.{number // 256}.{number % 256}"
            bench.server.datagram_received(b"x", (address, 1))

    asyncio.run(forge())
    counts = cast(dict[str, Any], bench.server.counters.as_dict())
    assert len(counts) <= 1001
    assert bench.server.counters.total("unknown") == 3000
