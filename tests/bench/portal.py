"""Eight o'clock: a thousand phones sign in within a minute, each from an address of its own.

The whole box runs; passwords are argon2id as everybody's, each session is durable in the log and in
the database before its phone hears of it. There is no gate here: that is `tests.bench.gate`'s.

Run: python -m tests.bench.portal [phones] [seconds]
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
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import func, select
from sqlalchemy.orm import Session as Database

from captive_portal.database import open_database
from captive_portal.people import passwords
from captive_portal.people.accounts import AccountRow, NewAccount, People
from captive_portal.sessions.rows import SessionRow
from tests.bench.measure import cpu_s
from tests.integration import box as boxes
from tests.integration.box import Box
from tests.integration.machine import Machine

PHONES, SECONDS = 1000, 60.0
SITE, PASSWORD = "bench", "correct horse"
SEED = 2569
MOBILE_BITS, MOBILE_TRIP_S = 1_000_000, 0.1
"""A poor phone's line: 1 Mbit/s, 100 ms there and back."""


@dataclass(frozen=True, slots=True)
class Took:
    """What one phone waited for, in seconds."""

    first_byte: float
    page: float
    sign_in: float
    """From the press of the button to the whole page that says it is open."""


class Phone:
    """One connection from one loopback address."""

    def __init__(self, number: int, port: int) -> None:
        self._address = f"127.1.{number >> 8 & 255}.{number & 255}"
        self._port = port
        self.account = f"pupil{number}"

    async def sign_in(self) -> Took:
        """Open the page, send the form, and see that it is open."""
        began = time.perf_counter()
        page = await self._ask("GET", "/")
        seen = time.perf_counter()
        token = re.search(rb'name="token" value="([^"]+)"', page.body)
        assert token is not None, page
        form = {"token": token[1].decode(), "account": self.account, "password": PASSWORD}
        pressed = time.perf_counter()
        answer = await self._ask("POST", "/", urlencode(form).encode())
        assert answer.status == 303, answer
        open_ = await self._ask("GET", "/session")
        assert open_.status == 200, open_
        return Took(page.first_byte - began, seen - began, time.perf_counter() - pressed)

    async def _ask(self, method: str, path: str, body: bytes = b"") -> Heard:
        here = (self._address, 0)
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port, local_addr=here)
        head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
        kind = "Content-Type: application/x-www-form-urlencoded\r\n" if body else ""
        writer.write(f"{head}{kind}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        line = await reader.readline()
        first_byte = time.perf_counter()
        rest = await reader.read()
        writer.close()
        return Heard(int(line.split()[1]), first_byte, rest)


@dataclass(frozen=True, slots=True)
class Heard:
    """An answer."""

    status: int
    first_byte: float
    body: bytes


def run(folder: Path, phones: int = PHONES, seconds: float = SECONDS) -> dict[str, Any]:
    """Measure one box."""
    folder.mkdir(parents=True, exist_ok=True)
    with Machine(folder) as machine:
        ports = boxes.free_ports(*boxes.PORTS)
        box = Box(machine, machine.folder / "home")
        box.init(site=SITE, settings=boxes.loopback_settings(ports))
        _people(box.home, phones)
        box.up()
        try:
            alone = asyncio.run(_alone(ports["sign_in"], phones))
            pids = [box.pid(name) for name in ("portal", "receive", "seal")]
            before = sum(map(cpu_s, pids))
            took, failed = asyncio.run(_eight(ports["sign_in"], phones, seconds))
            cpu = sum(map(cpu_s, pids)) - before
            kept = _kept(box.home)
        finally:
            box.down()
    return {
        "phones": phones,
        "within_s": seconds,
        "signed_in": len(took),
        "failed": failed[:5],
        "sessions_kept": kept,
        "cpu_ms_a_phone": 1000 * cpu / phones,
        **_spread("sign_in", [one.sign_in for one in took]),
        **_spread("page", [one.page for one in took]),
        **alone,
    }


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


async def _alone(port: int, phones: int) -> dict[str, float]:
    """Return how soon the page is there when nobody else asks, and what a poor line makes of it."""
    asked = [await Phone(phones + n, port)._ask("GET", "/") for n in range(20)]
    style = await Phone(phones, port)._ask("GET", "/portal.css")
    first = []
    for number in range(20):
        began = time.perf_counter()
        heard = await Phone(phones + number, port)._ask("GET", "/")
        first.append(heard.first_byte - began)
    octets = len(asked[0].body) + len(style.body)
    # Handshake, page, style sheet: three times there and back, and the octets.
    line_s = 3 * MOBILE_TRIP_S + octets * 8 / MOBILE_BITS
    return {
        "first_byte_ms": 1000 * statistics.median(first),
        "page_octets": octets,
        "page_reckoned_at_1mbit_100ms_s": line_s,
    }


async def _eight(port: int, phones: int, seconds: float) -> tuple[list[Took], list[str]]:
    """Let all phones come at random within some seconds."""
    dice, took, failed = random.Random(SEED), list[Took](), list[str]()

    async def one(phone: Phone, after: float) -> None:
        await asyncio.sleep(after)
        try:
            took.append(await phone.sign_in())
        except (AssertionError, OSError, ValueError, IndexError) as error:
            failed.append(repr(error)[:200])

    come: Callable[[], float] = lambda: dice.uniform(0, seconds)  # noqa: E731
    waiting: list[Awaitable[None]] = [one(Phone(n, port), come()) for n in range(phones)]
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
        print(json.dumps(run(Path(folder) / "portal", phones, seconds), indent=2))


if __name__ == "__main__":
    main()
