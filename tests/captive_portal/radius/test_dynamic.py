"""Dynamic authorization seen from outside: a running portal, radclient, FreeRADIUS, a NAS."""

import asyncio
import json
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import Engine

from captive_portal.__main__ import STATUS
from captive_portal.desk.control import SOCKET
from captive_portal.people.accounts import Kind, People
from captive_portal.people.groups import Group, Groups
from captive_portal.people.outside import Outside
from captive_portal.radius.clients import Clients
from captive_portal.radius.orders import NasOrders
from captive_portal.radius.upstream import Upstream
from captive_portal.sessions.nas_terms import Ordered
from captive_portal.sessions.rows import Rows
from captive_portal.sessions.session import Session
from captive_portal.settings import Radius, RadiusClient
from captive_portal.sign_in.chain import Chain
from captive_portal.sign_in.local import LocalWay
from captive_portal.sign_in.radius import RadiusWay
from captive_portal.sign_in.way import Attempt
from collector.control import ask
from tests.captive_portal import freeradius
from tests.captive_portal.collector_stub import CollectorStub
from tests.captive_portal.conftest import NOW, SECRET, SITE, Running, Start
from tests.captive_portal.freeradius import FreeRadius, free_ports
from tests.captive_portal.radius.test_changes import carried
from tests.captive_portal.radius.test_guard import attribute
from tests.captive_portal.radius.test_orders import FakeNas, cause, client, reply, vsa
from tests.captive_portal.radius.test_side import say, signed, the_session
from tests.captive_portal.radius.test_upstream import SIGN, settings
from tests.integration.machine import wait_for

RADCLIENT = shutil.which("radclient")
needs_radclient = pytest.mark.skipif(RADCLIENT is None, reason="radclient is not here")


class Router:
    """A MikroTik to the portal: it says yes to orders, or what a test wants."""

    def __init__(self) -> None:
        self.says: Callable[[bytes], bytes] = lambda told: reply(
            told, told[0] + 1, secret=SECRET.encode()
        )
        self.nas = FakeNas(lambda _, told: [self.says(told)])

    def changes(self) -> list[bytes]:
        return [told for told in self.nas.heard if told[0] == 43]


@pytest.fixture
def router() -> Iterator[Router]:
    router = Router()
    with router.nas:
        yield router


def portal(start: Start, router: Router) -> Running:
    nas = RadiusClient(
        network="127.0.0.0/8",
        secret_file="nas/a",
        site=SITE,
        kind="mikrotik",
        coa_port=router.nas.port,
        orders=True,
    )
    here = Radius(
        host="127.0.0.1", authentication_port=0, accounting_port=0, coa_port=0, clients=(nas,)
    )
    return start(radius=here)


def order(running: Running, what: str, attributes: str) -> str:
    port = json.loads((running.home / STATUS).read_text())["listening"]["radius_orders"]
    argv = [str(RADCLIENT), "-x", "-r", "1", "-t", "3", "-S", str(running.home / "secret")]
    (running.home / "secret").write_text(SECRET)
    done = subprocess.run(
        [*argv, f"127.0.0.1:{port}", what], input=attributes.encode(), capture_output=True
    )
    return done.stdout.decode("utf-8", "replace")


def signed_in(running: Running, mac: str = "02-00-5E-00-53-01", number: str = "S1") -> str:
    """Sign in at the router as radclient does, and return what the answer was."""
    station = f"Calling-Station-Id = '{mac}'"
    told = say(running, "auth", signed("somchai", f"User-Password = 'correct horse', {station}"))
    given = told[told.index("Class = ") + 8 :].split()[0]
    begin = f"User-Name = 'somchai', Acct-Status-Type = Start, Class = {given}, {station}"
    assert "Accounting-Response" in say(running, "acct", f"{begin}, Acct-Session-Id = '{number}'")
    return told


def pupils(**more: object) -> Group:
    what = {"id": UUID(int=9), "site": SITE, "name": "นักเรียน", "kind": Kind.PUPIL, **more}
    return Group(**what)  # type: ignore[arg-type]  # any field


def state(engine: Engine, wanted: str) -> Callable[[], bool]:
    return lambda: [one.nas_state for one in Rows(engine).open()] == [wanted]


@needs_radclient
def test_a_changed_speed_reaches_the_router_and_what_it_says_is_kept(
    start: Start, collector: CollectorStub, people: People, engine: Engine, router: Router
) -> None:
    groups = Groups(engine)
    groups.put(pupils(up_kbit=2000, down_kbit=8000))
    running = portal(start, router)
    assert "2000k/8000k" in signed_in(running)
    the_session(engine)
    # The first look finds what the router was told, by its Class: it is not asked.
    ask(running.home / SOCKET, {"do": "review"})
    assert router.changes() == []
    groups.put(pupils(up_kbit=1000, down_kbit=4000))
    ask(running.home / SOCKET, {"do": "review"})
    wait_for("the router's yes", state(engine, "confirmed"))
    (told,) = router.changes()
    assert vsa(14988, 8, b"1000k/4000k") in told
    assert attribute(44, b"S1") in told
    assert attribute(1, b"somchai") in told
    router.says = lambda asked: reply(asked, 45, cause(401), secret=SECRET.encode())
    groups.put(pupils(up_kbit=3000, down_kbit=4000))
    ask(running.home / SOCKET, {"do": "review"})
    wait_for("the router's no", state(engine, "refused 401"))
    updates = [event.cause for event in collector.sessions if event.event == "update"]
    assert [text.partition("; until")[0] for text in updates] == [
        "terms: นักเรียน; up 1000 kbit/s; down 4000 kbit/s",
        "terms: นักเรียน; up 3000 kbit/s; down 4000 kbit/s",
    ]
    # Less, which it does not take: it has to end the session.
    groups.put(pupils(up_kbit=500, down_kbit=4000))
    ask(running.home / SOCKET, {"do": "review"})
    wait_for("the end", lambda: not Rows(engine).open())
    wait_for("the Disconnect", lambda: any(told[0] == 40 for told in router.nas.heard))
    (ended,) = Rows(engine).recent(5)
    assert ended.cause == "terms changed"


@needs_radclient
def test_a_coa_request_changes_the_session_and_goes_on_to_the_router(
    start: Start, collector: CollectorStub, people: People, engine: Engine, router: Router
) -> None:
    Groups(engine).put(pupils(up_kbit=2000, down_kbit=8000))
    running = portal(start, router)
    signed_in(running)
    one = the_session(engine)
    ask(running.home / SOCKET, {"do": "review"})
    now = f"Event-Timestamp = {int(time.time())}, Message-Authenticator = 0x00"
    here = f"Acct-Session-Id = 'S1', User-Name = 'somchai', {now}"
    slower = "Mikrotik-Rate-Limit = '500k/1M', Idle-Timeout = 300"
    assert "CoA-ACK" in order(running, "coa", f"{here}, {slower}")
    wait_for("the router's yes", state(engine, "confirmed"))
    assert vsa(14988, 8, b"500k/1000k") in router.changes()[0]
    assert attribute(28, (300).to_bytes(4, "big")) in router.changes()[0]
    kept = Rows(engine).get(one.id)
    assert kept is not None
    assert kept.ordered is not None
    assert (kept.ordered.by, kept.up_kbit, kept.idle_s) == ("127.0.0.1", 500, None)
    for refused, why in (
        ("Mikrotik-Rate-Limit = '5M'", "Administratively-Prohibited"),
        ("Filter-Id = 'nobody'", "Invalid-Attribute-Value"),
        ("Service-Type = Authorize-Only, State = 0x01", "Unsupported-Service"),
        ("Framed-Pool = 'x'", "Unsupported-Attribute"),
    ):
        told = order(running, "coa", f"{here}, {refused}")
        assert "CoA-NAK" in told
        assert why in told
    other = here.replace("S1", "S9")
    assert "Session-Context-Not-Found" in order(running, "coa", f"{other}, Idle-Timeout = 60")
    old = f"Event-Timestamp = {int(time.time()) - 400}"
    assert "Received" not in order(running, "coa", f"Acct-Session-Id = 'S1', {old}, {slower}")
    assert "CoA-ACK" in order(running, "coa", f"{here}, Session-Timeout = 1")
    wait_for("its end", lambda: not Rows(engine).open())


@needs_radclient
def test_one_device_more_ends_the_oldest_at_the_router(
    start: Start, collector: CollectorStub, people: People, engine: Engine, router: Router
) -> None:
    Groups(engine).put(pupils(devices=1))
    running = portal(start, router)
    assert "Reply-Message" not in signed_in(running)
    first = the_session(engine)
    assert "Reply-Message" in signed_in(running, "02-00-5E-00-53-02", "S2")
    wait_for("one session", lambda: len(Rows(engine).open()) == 1)
    wait_for("the Disconnect", lambda: [told[0] for told in router.nas.heard] == [40])
    assert attribute(44, b"S1") in router.nas.heard[0]
    ended = Rows(engine).get(first.id)
    assert ended is not None
    assert ended.cause == "other device"


@needs_radclient
def test_an_end_that_no_router_heard_of_before_a_restart_is_told_after_it(
    start: Start, collector: CollectorStub, people: People, engine: Engine, router: Router
) -> None:
    router.says = lambda told: reply(told, 41, secret=b"of somebody else")
    running = portal(start, router)
    signed_in(running)
    first = the_session(engine)
    assert first.person is not None
    people.disable(first.person.id, now=first.start)
    ask(running.home / SOCKET, {"do": "review"})
    wait_for("the order", lambda: router.nas.heard)
    running.stop()
    (untold,) = Rows(engine).untold(first.start, 10)
    assert (untold.id, untold.cause, untold.nas_state) == (first.id, "account closed", "waiting")
    before = len(router.nas.heard)
    router.says = lambda told: reply(told, told[0] + 1, secret=SECRET.encode())
    running = portal(start, router)
    wait_for("the order again", lambda: len(router.nas.heard) > before)
    assert router.nas.heard[-1][0] == 40
    assert attribute(44, b"S1") in router.nas.heard[-1]
    wait_for("the router's yes is kept", lambda: not Rows(engine).untold(first.start, 10))
    assert json.loads((running.home / STATUS).read_text())["nas_taken_up"] == 1
    assert [one.event for one in collector.sessions].count("stop") == 1
    running.stop()
    told = len(router.nas.heard)
    running = portal(start, router)
    wait_for("the status", lambda: (running.home / STATUS).exists())
    assert json.loads((running.home / STATUS).read_text())["nas_taken_up"] == 0
    assert len(router.nas.heard) == told, "what it has heard is not told again"


def test_an_end_of_long_ago_is_not_told_after_a_restart_but_counted(engine: Engine) -> None:
    rows = Rows(engine)
    ended = [
        replace(one, end=NOW + timedelta(hours=n), cause="quota", nas_state="waiting")
        for n, one in enumerate((carried(), replace(carried(), id=UUID(int=2))))
    ]
    rows.write([*ended, replace(ended[1], id=UUID(int=3), stopped=True)])
    before = NOW + timedelta(minutes=30)
    assert [one.id for one in rows.untold(before, 10)] == [UUID(int=2)]
    assert rows.give_up_untold(before) == 1
    assert rows.give_up_untold(before) == 0
    assert [one.id for one in rows.untold(NOW, 10)] == [UUID(int=2)]
    rows.write([replace(ended[1], nas_state="confirmed")])
    assert rows.untold(NOW, 10) == []


PEER = """
server coa {{
listen {{
type = coa
ipaddr = 127.0.0.1
port = {port}
}}
recv-coa {{
if (&Acct-Session-Id == "5F000001" && &WISPr-Bandwidth-Max-Up == 1000000) {{
ok
}}
else {{
update reply {{
Error-Cause := Session-Context-Not-Found
}}
reject
}}
}}
send-coa {{
ok
}}
}}
"""


def test_freeradius_takes_a_change_as_a_nas_does(tmp_path: Path) -> None:
    auth, acct, coa = free_ports(3)
    peer = FreeRadius(tmp_path / "peer", users="", ports=[auth, acct])
    conf = tmp_path / "peer" / "radiusd.conf"
    modules = conf.read_text().replace(
        "always ok {", "always reject {\nrcode = reject\n}\nalways ok {"
    )
    conf.write_text(modules + PEER.format(port=coa))
    secret = freeradius.SECRET.encode()

    def told(one: Session) -> str:
        orders = NasOrders(Clients([client(coa, secret=secret)]), clock=time.time_ns, wait_s=2.0)
        return asyncio.run(orders.change(one)).state

    with peer:
        assert told(carried()) == "confirmed"
        assert told(carried(acct_session_id="ANOTHER")) == "refused 503"


def test_what_an_upstream_server_allows_is_known_for_the_session(
    engine: Engine, people: People, tmp_path: Path
) -> None:
    users = """
malee Cleartext-Password := "right"
    Session-Timeout = 900, Idle-Timeout = 300, WISPr-Bandwidth-Max-Down = 1000000, Framed-MTU = 1400

free Cleartext-Password := "right"
"""
    clock = lambda: int(NOW.timestamp()) * 10**9  # noqa: E731  # the portal's
    with FreeRadius(tmp_path / "up", users=users, post_auth=SIGN, ports=free_ports(2)) as server:
        told = settings(f"127.0.0.1:{server.auth_port}")
        upstream = Upstream(told, freeradius.SECRET.encode())
        way = RadiusWay(told, upstream, adopt=Outside(engine).adopt, clock=clock)
        chain = Chain(LocalWay(people), {(SITE, "radius"): (way,)}, tries_per_minute=9, clock=clock)

        async def play() -> list[Ordered | None]:
            found: list[Ordered | None] = []
            with way:
                for name in ("malee", "free"):
                    attempt = Attempt(site=SITE, address="10.0.0.5", account=name, password="right")
                    account = await way.check(attempt)
                    found.append(chain.limits_of(account.id))
            return found

        limited, free = asyncio.run(play())
    assert free is None
    until = NOW + timedelta(seconds=900)
    assert limited == Ordered(by="radius district", idle_s=300, down_kbit=1000, until=until)
