"""A box made of stand-ins, so that pages can be asked without processes behind them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from fastapi.testclient import TestClient
from sqlalchemy import Engine

from appliance.errors import WrongQuestion
from appliance.search.engine_local import Asker
from appliance.search.who_answer import Block, Reading, Suspect, WhoAnswer
from appliance.settings import BoxSettings
from appliance.web.app import create_app
from appliance.web.asking import Bucket, Gap, Shown, WhoWish, Wish
from appliance.web.deps import Deps, May, Member, NewPerson, PersonLine, SessionLine
from captive_portal.errors import Refused
from collector.errors import CollectorError

NOW_US = 1_795_000_000_000_000
MINUTE_US = 60_000_000
BASE = "http://127.0.0.1:8444"
NASTY = "<script>alert(1)</script>"

ADMIN = Member(
    id=UUID(int=1),
    account="admin",
    name="ผู้ดูแล ทดสอบ",
    may=frozenset({May.SEARCH, May.MANAGE}),
    must_change=False,
    stamp="s1",
)
VIEWER = replace(ADMIN, id=UUID(int=2), account="viewer", may=frozenset({May.SEARCH}))
TEACHER = replace(ADMIN, id=UUID(int=4), account="kru", may=frozenset({May.HELP}))
NEWCOMER = replace(ADMIN, id=UUID(int=3), account="newcomer", must_change=True)
PASSWORD = "right horse"


@dataclass
class Hands:
    """A clock that a test turns by hand."""

    ns: int = NOW_US * 1000

    def __call__(self) -> int:
        return self.ns


@dataclass
class FakeStaff:
    members: dict[UUID, Member] = field(
        default_factory=lambda: {m.id: m for m in (ADMIN, VIEWER, TEACHER, NEWCOMER)}
    )
    lines: list[PersonLine] = field(default_factory=list)
    checks: int = 0

    def check(self, account: str, password: str) -> Member:
        self.checks += 1
        for member in self.members.values():
            if member.account == account and password == PASSWORD:
                return member
        raise Refused("account or password is not right")

    def get(self, member: UUID) -> Member | None:
        return self.members.get(member)

    def change_password(self, member: UUID, old: str, new: str) -> None:
        if old != PASSWORD:
            raise Refused("account or password is not right")
        known = self.members[member]
        self.members[member] = replace(known, must_change=False, stamp=f"{known.stamp}+{new}")

    def people(self, text: str) -> list[PersonLine]:
        return [line for line in self.lines if text in line.account]

    def add(self, new: NewPerson) -> str:
        self.lines.append(
            PersonLine(
                id=uuid4(),
                site=new.site,
                account=new.account,
                name=new.name,
                kind=new.kind,
                role=new.role,
                disabled=False,
            )
        )
        return "abcd-efgh-jkmn"

    def disable(self, person: UUID) -> str:
        self.lines = [replace(x, disabled=x.disabled or x.id == person) for x in self.lines]
        return "somebody"

    def reset(self, person: UUID) -> tuple[str, str]:
        return str(person), "abcd-efgh-jkmn"


@dataclass
class FakeLive:
    lines: list[SessionLine] = field(default_factory=list)

    def sessions(self, text: str) -> list[SessionLine]:
        return [line for line in self.lines if text in line.account]


@dataclass
class FakeControl:
    """The receiving process: keeps the audit events, or is down."""

    down: bool = False
    events: list[dict[str, Any]] = field(default_factory=list)
    replies: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What a process says of its status."""
    kicked: list[str] = field(default_factory=list)
    sources: dict[str, Any] = field(default_factory=dict)
    """What the sealing process says of who sends."""

    def __call__(
        self, process: str, request: Mapping[str, Any], *, timeout_s: float = 5.0
    ) -> dict[str, Any]:
        if self.down:
            raise CollectorError(f"nobody listens on {process}.sock")
        if request["do"] == "event":
            self.events.append(dict(request["event"]))
        elif request["do"] == "status" and process in self.replies:
            return self.replies[process]
        elif request["do"] == "sources":
            return self.sources
        elif request["do"] == "kick":
            self.kicked.append(request["session"])
            return self.replies["kick"]
        return {"position": len(self.events)}

    @property
    def acts(self) -> list[str]:
        return [event["act"] for event in self.events]


@dataclass
class FakeDemo:
    running: bool = False

    def start(self) -> None:
        self.running = True


@dataclass
class FakeAsking:
    """Answers every question with the same rows; keeps what it was asked."""

    wishes: list[Wish] = field(default_factory=list)
    askers: list[Asker] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=lambda: [ROW, {**ROW, "account": NASTY}])

    def search(self, wish: Wish, asker: Asker) -> Shown:
        if "(" in wish.text:
            raise WrongQuestion("the question is wrong at character 6: it ends too early")
        self.wishes.append(wish)
        self.askers.append(asker)
        half = (wish.start_us + wish.end_us) // 2
        return Shown(
            thai="ประโยคไทย",
            english="an English sentence",
            notes=(),
            columns=self.usual_columns(wish.log),
            rows=self.rows,
            total=70_000 if self.rows else 0,
            more=bool(self.rows),
            took_ms=12.0,
            scaled=len(self.rows) if wish.scaled else None,
            buckets=(
                Bucket(start_us=wish.start_us, end_us=half, count=69_998),
                Bucket(start_us=half, end_us=wish.end_us, count=2),
            ),
            gaps=(
                Gap(
                    start_us=half,
                    end_us=half + MINUTE_US,
                    source="192.0.2.1",
                    kind="sequence-gap",
                    lost=12,
                    unit="records",
                    note="",
                ),
            ),
        )

    def csv(self, wish: Wish, asker: Asker) -> Iterator[bytes]:
        self.search(wish, asker)
        yield "\ufefftime,account\r\n".encode()
        yield "…,demo\r\n".encode()

    def who(self, wish: WhoWish, asker: Asker) -> WhoAnswer:
        self.askers.append(asker)
        person = Suspect(site="default", person=str(UUID(int=9)), full_name=NASTY, flows=3)
        reading = Reading(
            at_us=NOW_US,
            within_us=5 * MINUTE_US,
            verdict="person",
            certainty="sure",
            persons=(replace(person, because=("flow", "session")),),
            others=(),
            blocks=(Block(site=NASTY, ip=NASTY, port_first=5000, port_last=5999, since_us=NOW_US),),
            sessions=(),
            flows=(ROW,),
            coverage=(),
            notes=("coverage",),
            zone="+07:00",
            thai="คือ",
            english="it was",
        )
        return WhoAnswer(address=wish.address, port=None, readings=(reading,))

    def columns(self, log: str) -> tuple[str, ...]:
        return ("time", "account", "src_ip", "dst_port", "bytes", "message")

    def usual_columns(self, log: str) -> tuple[str, ...]:
        return ("time", "account", "src_ip", "dst_port", "bytes")


ROW: dict[str, Any] = {
    "time": datetime.fromtimestamp(NOW_US / 1e6, UTC),
    "account": "demo-s001",
    "src_ip": "10.20.1.11",
    "dst_port": 443,
    "bytes": 1_234_567,
    "message": None,
}


@dataclass
class House:
    """A box and a browser in front of it."""

    home: Path
    clock: Hands = field(default_factory=Hands)
    staff: FakeStaff = field(default_factory=FakeStaff)
    live: FakeLive = field(default_factory=FakeLive)
    control: FakeControl = field(default_factory=FakeControl)
    demo: FakeDemo = field(default_factory=FakeDemo)
    asking: FakeAsking = field(default_factory=FakeAsking)
    site: str = "default"
    api_token: str = "token-of-the-box"
    database: Engine | None = None
    """Of people, for the pages that look after them."""
    more: dict[str, Any] = field(default_factory=dict)
    """Settings besides the site."""

    def deps(self) -> Deps:
        settings = BoxSettings.model_validate({"sites": [{"id": self.site}], **self.more})
        return Deps(
            home=self.home,
            settings=settings,
            clock=self.clock,
            asking=self.asking,
            staff=self.staff,
            live=self.live,
            control=self.control,
            demo=self.demo,
            database=self.database,
            api_token=self.api_token,
        )

    def browser(self) -> TestClient:
        return TestClient(create_app(self.deps()), base_url=BASE, follow_redirects=False)

    def signed_in(self, member: Member = ADMIN) -> TestClient:
        client = self.browser()
        answer = sign_in(client, member.account, PASSWORD)
        assert answer.status_code == 303, answer.text
        return client


def sign_in(client: TestClient, account: str, password: str, **more: str) -> Any:
    form = {"csrf": csrf(client, "/sign-in"), "account": account, "password": password, **more}
    return client.post("/sign-in", data=form)


def csrf(client: TestClient, path: str) -> str:
    """Return the token of the first form on a page."""
    found = re.search(r'name="csrf" value="([^"]+)"', client.get(path).text)
    assert found, f"no form on {path}"
    return found[1]
