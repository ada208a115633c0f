"""Who asks is answered right, once, and signed; nothing that comes stops the server."""

import asyncio
import hashlib
import json
import os
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine

from captive_portal.people.accounts import Kind, NewAccount, People
from captive_portal.people.devices import Devices
from captive_portal.people.groups import Groups, Hours, new
from captive_portal.people.nt_hashes import NtHashes
from captive_portal.radius import ticket
from captive_portal.radius.authentication import PER_NAS, QUEUE, Rules
from captive_portal.radius.clients import Client
from captive_portal.sessions.session import Person, Session
from captive_portal.sign_in.way import Busy
from tests.captive_portal.conftest import NOW, SITE
from tests.captive_portal.radius.asking import IDS, NAS, SECRET, Ask, Asked, at, nas, opened
from tests.captive_portal.radius.test_guard import PACKETS, attribute

ACCEPT, REJECT = 2, 3
MAC = "00:00:5e:00:53:0a"
STATION = attribute(31, b"02-00-5E-00-53-01")


Make = Callable[..., Asked]


@pytest.fixture
def make(engine: Engine, people: People) -> Iterator[Make]:
    """Give a way to make servers on the test's database; they are closed at the end."""
    made: list[Asked] = []

    def begin(*clients: Client, **more: Any) -> Asked:
        made.append(Asked(engine, *clients, **more))
        return made[-1]

    yield begin
    for one in made:
        one.close()


@pytest.fixture
def asked(make: Make) -> Asked:
    return make()


def teacher(people: People, name: str = "wipa", **more: Any) -> None:
    given = {"site": SITE, "account": name, "kind": Kind.TEACHER, "password": "correct horse"}
    people.add(NewAccount(**(given | more)), now=NOW)


def vsa(vendor: int, kind: int, value: bytes) -> bytes:
    return attribute(26, vendor.to_bytes(4, "big") + attribute(kind, value))


def test_a_right_password_is_accepted_with_class_and_name_and_time(
    asked: Asked, people: People
) -> None:
    request = Ask().pap("SOMCHAI", "correct horse", STATION)
    (reply,) = asked.send(request)
    told = opened(reply, request)
    assert told.code == ACCEPT
    assert told["User-Name"] == ["somchai"]
    assert told["Session-Timeout"] == [3600]
    assert 60 <= told["Acct-Interim-Interval"][0] <= 600
    person = people.find(SITE, "somchai")
    found = ticket.read(told[25][0], SITE, IDS)
    assert found is not None
    assert person is not None
    assert found.person == person.id
    assert ticket.read(told[25][0], "another-site", IDS) is None


def test_thai_names_and_passwords_are_octets_of_utf_8_or_of_an_old_nas(
    asked: Asked, people: People
) -> None:
    teacher(people, "สมชาย.ใจดี", password="รหัสผ่าน ๑๒๓")
    ask = Ask()
    for encoding in ("utf-8", "cp874"):
        request = ask.pap("สมชาย.ใจดี".encode(encoding), "รหัสผ่าน ๑๒๓".encode(encoding))
        told = opened(asked.send(request)[0], request)
        assert told.code == ACCEPT
        assert told["User-Name"] == ["สมชาย.ใจดี"]


def test_a_refused_person_reads_a_sentence_and_the_reason_stays_here(
    asked: Asked, people: People
) -> None:
    ask = Ask()
    teacher(people, "gone")
    gone = people.find(SITE, "gone")
    assert gone is not None
    people.disable(gone.id, now=NOW - timedelta(days=1))
    sentences = set()
    for user, password in (("somchai", "wrong"), ("nobody", "x"), ("gone", "correct horse")):
        request = ask.pap(user, password)
        told = opened(asked.send(request)[0], request)
        assert told.code == REJECT
        sentences.add(told["Reply-Message"][0])
    assert len(sentences) == 1
    assert "รหัสผ่านไม่ถูกต้อง" in sentences.pop()
    counted = asked.counted()
    for reason in ("wrong-password", "unknown-account", "account-closed"):
        assert counted[f"reject {reason}"] == 1
    assert [one["account"] for one in asked.server.recent] == ["somchai", "gone"]


def test_the_sentence_is_english_where_the_settings_say_so(
    engine: Engine, make: Make, people: People
) -> None:
    asked = make(rules=Rules(language="en"))
    request = Ask().pap("somchai", "wrong")
    assert "not right" in opened(asked.send(request)[0], request)["Reply-Message"][0]


def group(engine: Engine, **more: Any) -> None:
    Groups(engine).put(replace(new(SITE, "นักเรียน"), kind="pupil", **more))


MORNING = (Hours(days=("mon",), first_minute=8 * 60, last_minute=12 * 60),)


def test_out_of_hours_is_refused_and_within_them_the_boundary_is_told(
    engine: Engine, make: Make, people: People
) -> None:
    group(engine, hours=MORNING)
    early, later = make(now=at(7, 59)), make(now=at(11, 30))
    request = Ask().pap("somchai", "correct horse")
    told = opened(early.send(request)[0], request)
    assert (told.code, early.counted()["reject hours"]) == (REJECT, 1)
    assert "นอกเวลา" in told["Reply-Message"][0]
    assert opened(later.send(request)[0], request)["Session-Timeout"] == [30 * 60]


@pytest.mark.parametrize(
    ("called", "port_type", "reason"),
    [
        ("00-00-5E-00-53-01:school", 19, ""),
        ("00005e005301:school", 19, ""),
        ("00-00-5E-00-53-01:guests", 19, "wrong-network"),
        ("00-00-5E-00-53-01", 19, "wrong-network"),
        ("00-00-5E-00-53-01", 15, "wrong-port-type"),
    ],
)
def test_a_group_has_its_networks(
    engine: Engine, make: Make, people: People, called: str, port_type: int, reason: str
) -> None:
    group(engine, ssids=("school",))
    asked = make()
    more = attribute(30, called.encode()) + attribute(61, port_type.to_bytes(4, "big"))
    request = Ask().pap("somchai", "correct horse", more)
    told = opened(asked.send(request)[0], request)
    assert told.code == (REJECT if reason else ACCEPT)
    assert not reason or asked.counted() == {f"reject {reason}": 1}


def test_more_devices_than_the_group_allows_are_refused(
    engine: Engine, make: Make, people: People
) -> None:
    group(engine, devices=1, at_limit="reject")
    asked = make()
    somchai = people.find(SITE, "somchai")
    assert somchai is not None
    asked.sessions.append(
        Session(
            id=somchai.id,
            site=SITE,
            method="accounting",
            person=Person(id=somchai.id, account="somchai"),
            start=NOW,
            last_seen=NOW,
            mac="02:00:5e:00:53:01",
        )
    )
    ask = Ask()
    same, other = (
        ask.pap("somchai", "correct horse", attribute(31, mac))
        for mac in (b"02-00-5E-00-53-01", b"02-00-5E-00-53-02")
    )
    assert opened(asked.send(same)[0], same).code == ACCEPT
    assert opened(asked.send(other)[0], other).code == REJECT
    assert asked.counted()["reject devices"] == 1


SPELLINGS = [
    "00005e00530a",
    "00005E00530A",
    "00:00:5e:00:53:0a",
    "00-00-5E-00-53-0A",
    "0000.5e00.530a",
    "00005e-00530a",
]


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_listed_device_with_an_owner_is_let_in_however_its_mac_is_spelt(
    engine: Engine, make: Make, people: People, spelling: str
) -> None:
    teacher(people)
    asked = make()
    asked.device(MAC, "wipa")
    request = Ask().mac(spelling)
    told = opened(asked.send(request)[0], request)
    assert told.code == ACCEPT
    assert told["User-Name"] == ["wipa"]
    assert asked.checks == 0


def test_a_device_that_asked_was_seen(engine: Engine, make: Make, people: People) -> None:
    teacher(people)
    asked = make()
    asked.device(MAC, "wipa")
    (before,) = Devices(engine).list()
    asked.now += 5 * 60 * 10**9
    asked.send(Ask().mac(SPELLINGS[0]))
    (after,) = Devices(engine).list()
    assert (before.seen, after.seen) == (None, NOW + timedelta(minutes=5))


def test_a_mac_lets_in_nobody_else(engine: Engine, make: Make, people: People) -> None:
    teacher(people)
    asked, ask = make(), Ask()
    asked.device("00:00:5e:00:53:0b", "somchai")
    asked.device("02:00:5e:00:53:0c", "wipa")
    asked.device("00:00:5e:00:53:0d", "wipa", until=NOW)
    asked.device("00:00:5e:00:53:0e", "wipa")

    def station(mac: bytes) -> bytes:
        return attribute(31, mac)

    cases = {
        "mac-not-listed": ("00005e00530a", b"00005e00530a"),
        "mac-of-a-pupil": ("00005e00530b", b"00-00-5E-00-53-0B"),
        "mac-of-no-maker": ("02005e00530c", b"02-00-5E-00-53-0C"),
        "mac-of-another-device": ("00005e00530e", b"02-00-5E-00-53-01"),
    }
    for reason, (user, calling) in cases.items():
        request = ask.pap(user, user, station(calling))
        assert opened(asked.send(request)[0], request).code == REJECT, reason
        assert asked.counted()[f"reject {reason}"] == 1
    request = ask.pap("00005e00530d", "", station(b"00005e00530d"))
    assert opened(asked.send(request)[0], request).code == REJECT
    assert asked.counted()["reject mac-not-listed"] == 2


def test_a_device_may_prove_its_mac_by_chap(engine: Engine, make: Make, people: People) -> None:
    teacher(people)
    asked, ask = make(), Ask()
    asked.device(MAC, "wipa")
    for secret, code in ((b"00005e00530a", ACCEPT), (b"another", REJECT)):
        challenge = bytes(range(16))
        proof = b"\x07" + hashlib.md5(b"\x07" + secret + challenge).digest()
        proven = attribute(3, proof) + attribute(60, challenge)
        request = ask.request(
            attribute(1, b"00005e00530a") + proven + attribute(31, b"00005e00530a")
        )
        assert opened(asked.send(request)[0], request).code == code


def test_chap_needs_a_password_that_nobody_keeps(asked: Asked) -> None:
    proof = b"\x07" + hashlib.md5(b"\x07correct horse" + bytes(16)).digest()
    request = Ask().request(attribute(1, b"somchai") + attribute(3, proof))
    assert opened(asked.send(request)[0], request).code == REJECT
    assert asked.counted() == {"reject chap-needs-a-clear-password": 1}


def test_three_copies_are_one_decision_and_three_equal_answers(asked: Asked) -> None:
    request = Ask().pap("somchai", "correct horse")
    answers = asked.send(request, request, request, answers=1)
    answers += asked.send(request) + asked.send(request)
    assert len(answers) == 3
    assert len(set(answers)) == 1
    assert asked.checks == 1
    assert asked.counted() == {"accept": 1, "copy": 4}


def test_the_same_id_with_another_authenticator_is_a_new_request(asked: Asked) -> None:
    first, second = Ask().pap("somchai", "correct horse"), Ask(number=256).pap("somchai", "wrong")
    assert first[1] == second[1]
    codes = {answer[0] for answer in asked.send(first, second)}
    assert codes == {ACCEPT, REJECT}
    assert len(asked.send(first, peer=(NAS[0], 50_001))) == 1
    assert asked.checks == 3


def test_policies_of_unsigned_requests(engine: Engine, make: Make, people: People) -> None:
    bare, signed = Ask(signed=False), Ask(number=100)

    def answered(policy: str) -> list[int]:
        asked = make(nas(message_authenticator=policy))
        return [
            len(asked.send(ask.pap("somchai", "correct horse"), answers=count))
            for ask, count in ((bare, policy != "require"), (signed, 1), (bare, policy == "legacy"))
        ]

    assert answered("require") == [0, 1, 0]
    assert answered("legacy") == [1, 1, 1]
    assert answered("learning") == [1, 1, 0]
    # It is remembered over a restart.
    again = make(nas(message_authenticator="learning"))
    assert again.send(bare.pap("somchai", "correct horse"), answers=0) == []
    assert again.counted() == {"no-message-authenticator": 1}


def test_who_is_busy_is_silent_and_the_copy_is_looked_at(
    engine: Engine, make: Make, people: People
) -> None:
    asked = make()
    busy = [True]
    check = asked.chain.check

    async def sometimes(*args: Any) -> Any:
        if busy:
            raise Busy("too many")
        return await check(*args)

    asked.chain.check = sometimes  # type: ignore[method-assign, assignment]
    request = Ask().pap("somchai", "correct horse")
    assert asked.send(request, answers=0) == []
    assert asked.counted() == {"busy": 1}
    busy.clear()
    assert asked.send(request)[0][0] == ACCEPT


def test_status_server_is_answered_with_a_signature(asked: Asked) -> None:
    request = Ask().request(b"", code=12)
    (reply,) = asked.send(request)
    assert reply[:2] == bytes((ACCEPT, request[1]))
    assert opened(reply, request).code == ACCEPT


def test_eap_without_freeradius_is_ended(asked: Asked) -> None:
    request = Ask().request(attribute(1, b"anonymous") + attribute(79, b"\x02\x07\x00\x05\x01"))
    told = opened(asked.send(request)[0], request)
    assert (told.code, told[79]) == (REJECT, [b"\x04\x07\x00\x04"])


def test_mschapv2_needs_a_kept_hash_and_then_proves_both_ways(
    engine: Engine, make: Make, people: People
) -> None:
    keeper = NtHashes(b"k" * 32)
    asked, bare = make(nt=keeper), make()
    somchai = people.find(SITE, "somchai")
    assert somchai is not None
    People(engine, nt=keeper).set_password(somchai.id, "correct horse")
    request = Ask().request(attribute(1, b"somchai") + _mschap("correct horse"))
    told = opened(asked.send(request)[0], request)
    assert told.code == ACCEPT
    assert told[(311, 26)][0].startswith(b"\x01S=")
    assert opened(bare.send(request)[0], request).code == REJECT
    wrong = Ask(number=9).request(attribute(1, b"somchai") + _mschap("wrong"))
    told = opened(asked.send(wrong)[0], wrong)
    assert told.code == REJECT
    assert told[(311, 2)][0].startswith(b"\x01E=691")


def _mschap(password: str) -> bytes:
    from captive_portal.people.nt_hashes import nt_hash
    from captive_portal.radius import mschap

    server, peer = bytes(range(16)), bytes(range(16, 32))
    challenge = mschap.challenge_hash(peer, server, b"somchai")
    proof = mschap.response(challenge, nt_hash(password))
    return vsa(311, 11, server) + vsa(311, 25, b"\x01\x00" + peer + bytes(8) + proof)


@pytest.fixture
def silent(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    yield
    assert not [r for r in caplog.records if r.levelname == "ERROR"]


def cases() -> list[dict[str, Any]]:
    if not PACKETS.exists():
        return []
    document: dict[str, Any] = json.loads(PACKETS.read_text())
    groups = ("access-request", "status-server")
    return [c for c in document["cases"] if c["group"] in groups]


@pytest.mark.skipif(not PACKETS.exists(), reason="../shared/data/radius is not here")
@pytest.mark.parametrize("policy", ["require", "legacy"])
def test_the_shared_packets_are_answered_as_they_say_and_the_next_one_is_too(
    engine: Engine, make: Make, people: People, silent: None, policy: str
) -> None:
    teacher(people, "สมชาย.ใจดี", password="รหัสผ่าน ๑๒๓")
    asked, ask = make(nas(message_authenticator=policy)), Ask(number=200)
    assert len(cases()) > 35
    for case in cases():
        expected = case["expect"]
        expected = expected[policy] if isinstance(expected, dict) else expected
        datagram, good = bytes.fromhex(case["hex"]), ask.request(b"", code=12)
        answers = asked.send(datagram, good, answers=1 + _answered(case, expected))
        codes = sorted(a[0] for a in answers if a[1] != good[1])
        assert any(a[1] == good[1] for a in answers), case["case"]
        assert codes in _codes(case, expected), case["case"]
        if case["case"] == "proxy_state_two":
            assert attribute(33, b"\x00\xffone") + attribute(33, b"two") in b"".join(answers)


def _answered(case: dict[str, Any], expected: str) -> int:
    return max(len(codes) for codes in _codes(case, expected))


def _codes(case: dict[str, Any], expected: str) -> list[list[int]]:
    if case["case"].startswith("chap") or "EAP" in expected:
        # Kept is what cannot be read back, and there is nobody here who speaks EAP.
        return [[REJECT]]
    if case["case"] == "no_credential" or case["case"] == "eap_length_wrong":
        return [[REJECT], []]
    wanted: list[list[int]] = []
    if "accept" in expected:
        wanted.append([ACCEPT])
    if "reject" in expected:
        wanted.append([REJECT])
    if "discard" in expected:
        wanted.append([])
    if case["case"] not in ("pap_without_ma", "with_ma", "without_ma") and not _signs(case):
        wanted.append([])
    return wanted


def _signs(case: dict[str, Any]) -> bool:
    return "5012" in case["hex"]


def test_a_hostile_nas_is_bounded_and_another_one_is_answered(
    engine: Engine, make: Make, people: People, silent: None
) -> None:
    asked = make()
    hostile, ask = Ask(), Ask(number=7)

    one = hostile.pap("x" * 50, "y" * 30)
    for number in range(50_000):
        # Each is another request; only its source port tells.
        asked.server.datagram_received(one, (NAS[0], 1024 + number))
    counted = asked.counted()
    assert counted["too-many"] >= 45_000
    assert counted["busy"] + PER_NAS == 5000
    assert asked.server._queue.qsize() <= QUEUE
    asked.server._passwords[NAS[0]] = 32  # as many as it may have looked at, and each takes long
    good = ask.pap("somchai", "correct horse")
    before = len(asked.wire.sent)
    asked.send(good, peer=("192.0.2.9", 1), answers=1)
    asked.send(answers=0)
    told = [data for data, peer in asked.wire.sent[before:] if peer[0] == "192.0.2.9"]
    assert told
    assert opened(told[0], good).code == ACCEPT


MUTATED = int(os.environ.get("PRATHU_RADIUS_MUTATED", "3000"))


def test_mutated_packets_stop_nothing(
    engine: Engine, make: Make, people: People, silent: None
) -> None:
    asked, ask, chance = make(per_second=10**9), Ask(), random.Random(26)
    seeds = [
        ask.pap("somchai", "x", STATION + attribute(33, b"state")),
        ask.request(attribute(1, b"somchai") + _mschap("wrong")),
        ask.request(attribute(1, b"a") + attribute(79, b"\x02\x01\x00\x06\x01a")),
        ask.mac("00005e00530a"),
        ask.request(b"", code=12),
    ]
    asked.server._check = _nobody

    async def work() -> None:
        for number in range(MUTATED):
            asked.server.datagram_received(_mutated(chance, number), NAS)
            if number % 200 == 0:
                await asyncio.sleep(0)
        deadline = time.monotonic() + 60
        while sum(asked.counted().values()) < MUTATED and time.monotonic() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(0.02)

    def _mutated(chance: random.Random, number: int) -> bytes:
        octets = bytearray(chance.choice(seeds))
        for _ in range(chance.randint(1, 6)):
            octets[chance.randrange(len(octets))] = chance.randrange(256)
        if number % 3 == 0:
            # Signed anew, so that what is behind the guard meets it too.
            return _signed(octets)
        return bytes(octets[: chance.randint(0, len(octets))] if number % 7 == 0 else octets)

    asked.run(work())
    assert sum(asked.counted().values()) >= MUTATED
    good = Ask(number=77).request(b"", code=12)
    assert asked.send(good)[0][:2] == bytes((ACCEPT, good[1]))


def _signed(octets: bytearray) -> bytes:
    import hmac

    octets[0] = octets[0] if octets[0] in (1, 12) else 1
    octets[2:4] = len(octets).to_bytes(2, "big")
    octets[20:38] = attribute(80, bytes(16))
    octets[22:38] = hmac.new(SECRET, bytes(octets), hashlib.md5).digest()
    return bytes(octets)


async def _nobody(attempt: Any) -> Any:
    from captive_portal.errors import Refused

    raise Refused("nobody")
