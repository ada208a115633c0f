"""Eight o'clock: a thousand phones find the page, sign in within a minute, and are through.

The whole box runs as the router of a school in namespaces: the kernel's rules turn probes to the
page, passwords are argon2id as everybody's, each session is durable in the log and in the database,
and in the kernel, before its phone hears of it. One more phone, on a poor line, has a browser.

The same with fewer who sign in, while others who are captive probe all the time (portal.md P-18):
`among`.

Run as root: python -m tests.bench.portal [phones] [seconds] [who probe]
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlencode, urlsplit

from sqlalchemy import func, select
from sqlalchemy.orm import Session as Database

from captive_portal.database import open_database
from captive_portal.people import passwords
from captive_portal.people.accounts import AccountRow, NewAccount, People
from captive_portal.sessions.rows import SessionRow
from tests.bench import crowd, slow_line
from tests.bench import probing as probes
from tests.bench.measure import cpu_s
from tests.conftest import REPO
from tests.integration import inside
from tests.integration.box import ENVIRONMENT, Box
from tests.integration.gate_school import BOX, SETTINGS, WEB
from tests.integration.machine import Machine
from tests.integration.whole_school import PHONE_SIZE, WholeSchool, said

PHONES, SECONDS = 1000, 60.0
SITE, PASSWORD = "school-a", "correct horse"
SEED = 2569
POOR_BITS, POOR_TRIP_S = 1_000_000, 0.1
"""A poor phone's line: 1 Mbit/s, 100 ms there and back."""
Answer = TypeVar("Answer")

PATIENCE_S = 30
ALONE = 20
"""So many phones open the page before the others come."""
FEW, FEW_SECONDS, PROBING = 200, 10.0, 2000
"""So many sign in within so many seconds, while so many others probe."""
SETTLE_S = 10.0
"""They probe for so long before the first signs in."""


@dataclass(frozen=True, slots=True)
class Took:
    """What one phone waited for, in seconds."""

    page: float
    """From its first probe to the whole page."""
    sign_in: float
    """From the press of the button to the whole page that says it is open."""
    through: float
    """From there until a server on the Internet has answered."""


@dataclass(frozen=True, slots=True)
class Heard:
    """An answer."""

    status: int
    location: str
    first_byte: float
    body: bytes


class Phone:
    """One device with its own address, as captive as any."""

    def __init__(self, number: int) -> None:
        self._address = crowd.address(number)
        self.account = f"pupil{number}"

    async def sign_in(self) -> Took:
        """Look for the Internet, be led to the page, send the form, and see that it is open."""
        began = time.perf_counter()
        found = await self.ask("GET", "/hotspot-detect.html", host="captive.apple.com", to=WEB)
        assert found.status == 302, found
        page = await self.ask("GET", urlsplit(found.location).path)
        seen = time.perf_counter()
        token = re.search(rb'name="token" value="([^"]+)"', page.body)
        assert token is not None, page
        form = {"token": token[1].decode(), "account": self.account, "password": PASSWORD}
        pressed = time.perf_counter()
        answer = await self.ask("POST", "/", urlencode(form).encode())
        assert answer.status == 303, answer
        own = await self.ask("GET", urlsplit(answer.location).path)
        assert own.status == 200, own
        told = time.perf_counter()
        await self._reach(WEB, 443)
        return Took(seen - began, told - pressed, time.perf_counter() - told)

    async def _reach(self, address: str, port: int) -> None:
        here = (self._address, 0)
        reader, writer = await asyncio.open_connection(address, port, local_addr=here)
        writer.write(b"hello")
        assert await reader.read(5) == b"hello"
        writer.close()

    async def ask(
        self, method: str, path: str, body: bytes = b"", *, host: str = BOX, to: str = BOX
    ) -> Heard:
        """Send one request over a connection of its own."""
        here = (self._address, 0)
        reader, writer = await asyncio.open_connection(to, 80, local_addr=here)
        head = f"{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n"
        kind = "Content-Type: application/x-www-form-urlencoded\r\n" if body else ""
        writer.write(f"{head}{kind}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        line = await reader.readline()
        first_byte = time.perf_counter()
        rest = await reader.read()
        writer.close()
        location = re.search(rb"(?mi)^location: (\S+)", rest)
        return Heard(
            int(line.split()[1]), location[1].decode() if location else "", first_byte, rest
        )


def run(folder: Path, phones: int = PHONES, seconds: float = SECONDS) -> dict[str, Any]:
    """Measure one box; needs root, and Chromium for the poor line."""
    folder.mkdir(parents=True, exist_ok=True)
    with Machine(folder) as machine:
        school = WholeSchool(machine, Box(machine, folder / "home"))
        try:
            _open(school, phones + ALONE)
            alone = _within(school, _alone(phones))
            poor_s = _on_a_poor_line(school)
            pids = [school.box.pid(n) for n in ("portal", "receive", "seal", "privileged")]
            before = sum(map(cpu_s, pids))
            took, failed = _within(school, _eight(phones, seconds))
            cpu = sum(map(cpu_s, pids)) - before
            in_kernel, kept = _in_kernel(school), _kept(school.box.home)
        finally:
            school.close()
    return {
        "phones": phones,
        "within_s": seconds,
        "signed_in": len(took),
        "failed": failed[:5],
        "sessions_kept": kept,
        "addresses_in_the_kernel": in_kernel,
        "cpu_ms_a_phone": 1000 * cpu / phones,
        **_spread("sign_in", [one.sign_in for one in took]),
        **_spread("page", [one.page for one in took]),
        **_spread("through", [one.through for one in took]),
        "first_byte_ms": alone,
        "page_at_1mbit_100ms_s": poor_s,
    }


def among(
    folder: Path, phones: int = FEW, seconds: float = FEW_SECONDS, probing: int = PROBING
) -> dict[str, Any]:
    """Measure one box on which captive phones probe while others sign in; needs root."""
    folder.mkdir(parents=True, exist_ok=True)
    with Machine(folder) as machine:
        school = WholeSchool(machine, Box(machine, folder / "home"))
        try:
            _open(school, phones + probing)
            last = SETTLE_S + seconds
            words = ["-m", probes.__name__, *map(str, (probing, phones, last))]
            crowding = machine.start(
                [sys.executable, *words],
                within=school.spaces["phone"],
                name="probing",
                env=ENVIRONMENT,
            )
            time.sleep(SETTLE_S)
            pids = [school.box.pid(n) for n in ("portal", "privileged")]
            before = sum(map(cpu_s, pids))
            took, failed = _within(school, _eight(phones, seconds))
            cpu = sum(map(cpu_s, pids)) - before
            crowding.wait(PATIENCE_S)
            told = json.loads(machine.log("probing").read_text().splitlines()[-1])
            kept = _kept(school.box.home)
        finally:
            school.close()
    came = told["came"]
    return {
        "phones": phones,
        "within_s": seconds,
        "probing": probing,
        "signed_in": len(took),
        "failed": failed[:5],
        "sessions_kept": kept,
        "cpu_s": cpu,
        **_spread("sign_in", [one.sign_in for one in took]),
        **_spread("page", [one.page for one in took]),
        "probes": came,
        "probes_lost": sum(came.values()) - came.get("led 302", 0) - came.get("page 200", 0),
        "probes_p95_s": told["led_p95_s"],
        "probes_cpu_s": told["cpu_s"],
    }


def _open(school: WholeSchool, phones: int) -> None:
    """Build the school, its people and the crowd; start the box."""
    school.internet, school.page = said, False
    school.build()
    plain = SETTINGS.replace('public_url = "https://login.school.example/"\n', "")
    school.box.init(settings=plain + "[conntrack]\nenabled = true\n")
    _people(school.box.home, phones)
    school.start()
    crowd.come(school, phones)


def _within(school: WholeSchool, work: Coroutine[Any, Any, Answer]) -> Answer:
    """Run what phones do where they are."""
    with inside.namespace(school.spaces["phone"]):
        return asyncio.run(work)


def _people(home: Path, count: int) -> None:
    """Make accounts; one hash serves all, since each check costs the same."""
    engine, now = open_database(home), datetime.now(UTC)
    for number in range(count):
        People(engine).add(NewAccount(site=SITE, account=f"pupil{number}"), now=now)
    stored = passwords.hashed(PASSWORD, staff=False)
    with Database(engine) as db, db.begin():
        for row in db.scalars(select(AccountRow).where(AccountRow.account.like("pupil%"))):
            row.password = stored
    engine.dispose()


def _kept(home: Path) -> int:
    engine = open_database(home)
    with Database(engine) as db:
        kept = db.scalar(select(func.count()).select_from(SessionRow)) or 0
    engine.dispose()
    return kept


def _in_kernel(school: WholeSchool) -> int:
    listed = school.run("gate", ["nft", "-j", "list", "map", "inet", "prathu", "session4"])
    (found,) = (one["map"] for one in json.loads(listed)["nftables"] if "map" in one)
    return len(found.get("elem", []))


async def _alone(phones: int) -> float:
    """Return how many ms the page's first byte takes when nobody else asks, middle of many."""
    first = []
    for number in range(phones, phones + ALONE):
        began = time.perf_counter()
        heard = await Phone(number).ask("GET", "/")
        first.append(heard.first_byte - began)
    return 1000 * statistics.median(first)


def _on_a_poor_line(school: WholeSchool) -> float:
    """Return how long the whole page takes in a phone's browser, behind 1 Mbit/s and 100 ms."""
    line = school.machine.namespace("line")
    school.run("tablet", ["ip", "link", "delete", "eth0"])
    school.machine.link((school.spaces["tablet"], "eth0"), (line, "near"))
    school.machine.link((line, "far"), (school.spaces["gate"], "to-line"))
    school.run("gate", ["ip", "link", "set", "to-line", "master", "lan0"])
    school.run("tablet", ["sysctl", "-qw", "net.ipv6.conf.eth0.disable_ipv6=1"])
    school.give("tablet", "eth0", "10.20.0.12/20")
    school.run("tablet", ["ip", "route", "add", "default", "via", BOX])
    words = ["near", "far", str(POOR_BITS), str(POOR_TRIP_S / 2)]
    python = str(REPO / ".venv/bin/python")
    program = str(Path(slow_line.__file__))
    school.machine.start([python, "-I", program, *words], within=line, name="slow-line")
    (school.machine.folder / "resolv.conf").write_text(f"nameserver {BOX}\n", encoding="ascii")
    return statistics.median(_opened(school.browser("tablet"), f"http://{WEB}/") for _ in range(3))


def _opened(chromium: Path, url: str) -> float:
    """Return the seconds from going to a page until all of it is there, in a fresh browser."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(chromium), args=["--no-sandbox", "--disable-gpu"]
        )
        try:
            page = browser.new_page(locale="th-TH", **PHONE_SIZE)
            page.goto(url, wait_until="load")
            assert page.locator("input[name=password]").count() == 1, page.content()
            took = "performance.getEntriesByType('navigation')[0].loadEventEnd"
            return float(page.evaluate(took)) / 1000
        finally:
            browser.close()


async def _eight(phones: int, seconds: float) -> tuple[list[Took], list[str]]:
    """Let all phones come at random within some seconds."""
    dice, took, failed = random.Random(SEED), list[Took](), list[str]()

    async def one(phone: Phone, after: float) -> None:
        await asyncio.sleep(after)
        try:
            took.append(await asyncio.wait_for(phone.sign_in(), PATIENCE_S))
        except (AssertionError, OSError, ValueError, IndexError, TimeoutError) as error:
            failed.append(repr(error)[:200])

    come: Callable[[], float] = lambda: dice.uniform(0, seconds)  # noqa: E731
    waiting: list[Awaitable[None]] = [one(Phone(n), come()) for n in range(phones)]
    await asyncio.gather(*waiting)
    return took, failed


def _spread(name: str, values: list[float]) -> dict[str, float]:
    if len(values) < 2:
        return {}
    parts = statistics.quantiles(values, n=100)
    return {
        f"{name}_p50_s": parts[49],
        f"{name}_p95_s": parts[94],
        f"{name}_p99_s": parts[98],
    }


def main() -> None:
    """Run alone."""
    phones = int(sys.argv[1]) if len(sys.argv) > 1 else PHONES
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else SECONDS
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "portal"
        if len(sys.argv) > 3:
            figures = among(home, phones, seconds, int(sys.argv[3]))
        else:
            figures = run(home, phones, seconds)
        print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
