"""A school with other makers' gateways: its pages, its RADIUS, and devices behind them."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from html import unescape
from pathlib import Path
from urllib.parse import urlencode

from fastapi.testclient import TestClient
from httpx import Response
from sqlalchemy import Engine

from captive_portal.people.accounts import People
from captive_portal.people.notices import Notices
from captive_portal.settings import (
    Controller,
    NasKind,
    PortalSettings,
    Radius,
    RadiusClient,
    SignIn,
)
from captive_portal.sign_in.chain import Chain
from captive_portal.sign_in.local import LocalWay
from captive_portal.sign_in.one_time import OneTime
from captive_portal.web.app import Portal
from captive_portal.web.front import Front
from captive_portal.web.handover.gateways import Gateways
from captive_portal.web.looks import Looks
from captive_portal.web.notice import NoticeBoard
from captive_portal.web.sites import Places
from tests.captive_portal.conftest import SITE
from tests.captive_portal.web.test_app import NOW_NS, PUPIL, SITES, Desk

MAC = "02:00:5e:10:00:01"
PASSWORD = "correct horse"


def clients() -> tuple[RadiusClient, ...]:
    """Return one gateway of each maker that takes a form."""
    made = []
    logins: dict[NasKind, tuple[str, ...]] = {
        "mikrotik": ("10.5.50.1", "login.school.example:8080"),
        "fortigate": (),
        "aruba": ("securelogin.school.example",),
        "ruckus": (),
        "pfsense": (),
        "ruijie": (),
    }
    for number, (kind, login) in enumerate(logins.items(), start=1):
        made.append(
            RadiusClient(
                network=f"192.0.2.{number}", secret_file="nas/a", site=SITE, kind=kind, login=login
            )
        )
    wide = RadiusClient(network="10.0.0.0/8", secret_file="nas/a", site=SITE, kind="mikrotik")
    other = RadiusClient(network="198.51.100.1", secret_file="nas/a", site="b", kind="mikrotik")
    return (*made, wide, other)


@dataclass(frozen=True, slots=True)
class Button:
    """The form that leads back to a gateway."""

    action: str
    method: str
    fields: dict[str, str]


@dataclass
class School:
    """The application and what is behind it."""

    app: Portal
    desk: Desk
    people: People
    now: list[int]
    gateways: Gateways
    one_time: OneTime
    known: dict[str, str] = field(default_factory=dict)
    """MACs that the kernel knows, by address."""

    def device(self, address: str = PUPIL) -> TestClient:
        return TestClient(
            self.app.app(),
            client=(address, 40_000),
            base_url="http://portal.test",
            follow_redirects=False,
        )

    def sign_in(
        self, path: str, *, address: str = PUPIL, account: str = "somchai", password: str = PASSWORD
    ) -> Response:
        """Open the page and send its form."""
        device = self.device(address)
        page = device.get(path)
        assert page.status_code == 200, page.text
        return send(device, page, account=account, password=password)

    def refused(self, path: str, *, address: str = PUPIL) -> Response:
        """Open a page that is not given."""
        answer: Response = self.device(address).get(path)
        assert answer.status_code == 403, answer.text
        assert "<form" not in answer.text
        return answer


def send(device: TestClient, page: Response, **typed: str) -> Response:
    """Send the first form of a page."""
    found = form(page)
    answer: Response = device.post(found.action, data={**found.fields, **typed})
    return answer


def form(page: Response) -> Button:
    """Return the first form of a page, its hidden fields filled in."""
    head = re.search(r'<form method="(\w+)" action="([^"]*)"', page.text)
    assert head is not None, page.text
    body = page.text[head.end() : page.text.index("</form>", head.end())]
    hidden = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)"', body)
    fields = {name: unescape(value) for name, value in hidden}
    return Button(unescape(head[2]), head[1], fields)


def path(word: str, **given: str) -> str:
    """Return the address that a gateway sends a device to."""
    names = {name.replace("_", "-") if word == "mikrotik" else name: v for name, v in given.items()}
    return f"/portal/{word}?{urlencode(names)}"


@contextmanager
def school(
    engine: Engine, people: People, home: Path, controllers: Sequence[Controller] = ()
) -> Iterator[School]:
    """Give a school; nothing listens."""
    now, desk = [NOW_NS], Desk()
    (home / "nas").mkdir(exist_ok=True)
    one_time = OneTime(lambda: now[0])
    settings = PortalSettings(
        sign_in=SignIn(names=("portal.test",)),
        radius=Radius(clients=clients()),
        controllers=tuple(controllers),
    )
    gateways = Gateways(home, settings, one_time=one_time, clock=lambda: now[0])
    with Chain(LocalWay(people), {}, tries_per_minute=30, clock=lambda: now[0]) as chain:
        looks = Looks(home, ())
        front = Front(settings.sign_in, places=Places(SITES), looks=looks, clock=lambda: now[0])
        board = NoticeBoard(settings.sign_in, notices=Notices(engine), looks=looks)
        app = Portal(front, people=people, chain=chain, desk=desk, board=board, gateways=gateways)
        yield School(app, desk, people, now, gateways, one_time)
    gateways.close()
