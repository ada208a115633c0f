"""A school with 802.1X: our RADIUS server, a real FreeRADIUS behind it, eapol_test as a phone."""

from __future__ import annotations

import asyncio
import re
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from captive_portal.desk.rules import RuleBook
from captive_portal.people import nt_hashes
from captive_portal.people.accounts import NewAccount, People
from captive_portal.radius import certificate, freeradius
from captive_portal.radius.side import Check, RadiusSide
from captive_portal.radius.upstream import upstream
from captive_portal.sessions.accounting import Accounting
from captive_portal.sessions.session import Ids
from captive_portal.settings import PortalSettings, Radius, RadiusClient
from captive_portal.sign_in import build
from tests.captive_portal.conftest import NOW, SITE
from tests.captive_portal.freeradius import free_ports
from tests.captive_portal.freeradius import program as freeradius_program
from tests.integration.machine import wait_for

SECRET = "correct-horse-battery"
IDS = Ids(b"k" * 32)
EAPOL = shutil.which("eapol_test")
PHONE = "02:00:5e:00:53:01"
THAI, THAI_PASSWORD = "สมหญิง.รักเรียน", "รหัสผ่าน ๑๒๓"
QUOTED = 'a"b\\c%{User-Name}'


def people_of(engine: Engine, home: Path) -> None:
    people = People(engine, nt=nt_hashes.of(home, wanted=True))
    for account, password in (
        ("somchai", "correct horse"),
        (THAI, THAI_PASSWORD),
        ("quoted", QUOTED + " long"),
    ):
        people.add(NewAccount(site=SITE, account=account, password=password), now=NOW)
    bare = NewAccount(site=SITE, account="bare", password="correct horse")
    People(engine).add(bare, now=NOW)


class NoDesk:
    """Sessions are heard of here, and begin and end nowhere."""

    def __init__(self) -> None:
        self.heard: list[Accounting] = []

    def keep(self, heard: Sequence[Accounting]) -> Sequence[Accounting]:
        self.heard.extend(heard)
        return []

    def submit(self, work: Callable[[], None]) -> asyncio.Future[None]:
        work()
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done

    async def end(self, session: Any, cause: str) -> Any:
        raise AssertionError

    async def order(self, session: Any, ordered: Any) -> Any:
        raise AssertionError


@dataclass
class School:
    """Our server and FreeRADIUS behind it."""

    home: Path
    port: int
    accounting_port: int
    side: RadiusSide
    settings: Radius
    desk: NoDesk
    daemon: subprocess.Popen[bytes] | None = None
    log: Path = field(default_factory=Path)

    def start(self) -> None:
        folder = freeradius.write(self.home, self.settings)
        freeradius.check(folder)
        self.log = self.home / "freeradius.log"
        argv = freeradius.command(folder, "-f", "-l", str(self.log))
        self.daemon = subprocess.Popen(argv)
        wait_for("FreeRADIUS", self._listens)

    def _listens(self) -> bool:
        return self.log.exists() and "Ready to process" in self.log.read_text()

    def said(self) -> str:
        """Return what FreeRADIUS wrote down."""
        return self.log.read_text(errors="replace")

    def stop(self) -> None:
        if self.daemon is not None:
            self.daemon.send_signal(signal.SIGTERM)
            self.daemon.wait(10)
            self.log.unlink(missing_ok=True)
            self.daemon = None

    def phone(
        self,
        user: str,
        password: str,
        *,
        outer: str = "anonymous@school.example",
        method: str = "TTLS",
        inner: str = "auth=PAP",
        ca: Path | None = None,
        domain: str = certificate.NAME,
        seconds: int = 8,
        again: int = 0,
    ) -> Outcome:
        """Sign a phone in by 802.1X, and `again` so many times."""
        return self.supplicant(
            f" eap={method}\n identity={_hex(user)}\n anonymous_identity={_hex(outer)}\n"
            f' password={_hex(password)}\n phase2="{inner}"\n'
            f' ca_cert="{ca or self.home / certificate.ROOT}"\n domain_match="{domain}"\n',
            seconds=seconds,
            again=again,
        )

    def supplicant(
        self, network: str, *, mac: str = PHONE, seconds: int = 8, again: int = 0
    ) -> Outcome:
        """Sign in whatever these lines of wpa_supplicant's say."""
        conf = self.home / "phone.conf"
        conf.write_text(f"network={{\n key_mgmt=WPA-EAP\n{network}}}\n")
        assert EAPOL is not None
        done = subprocess.run(
            [
                *(EAPOL, "-c", str(conf), "-s", SECRET, "-M", mac, "-r", str(again)),
                *("-a", "127.0.0.1", "-p", str(self.port), "-t", str(seconds)),
                *("-N", "30:s:00-00-5E-00-53-FE:school"),
            ],
            capture_output=True,
        )
        return Outcome(done.returncode == 0, done.stdout.decode("utf-8", "replace"))

    def counted(self) -> dict[str, int]:
        return self.side.authentication.counters.of("127.0.0.1")


@dataclass
class Outcome:
    """What came of it at the phone."""

    right: bool
    told: str

    def __bool__(self) -> bool:
        return self.right

    @property
    def classes(self) -> list[bytes]:
        """The Classes that the access point got, out of eapol_test's own words."""
        lines = re.findall(r"Attribute 25 \(Class\)[^\n]*\n\s+Value: ([0-9a-f]+)", self.told)
        return [bytes.fromhex(line) for line in lines]


def _hex(text: str) -> str:
    return text.encode().hex()


@contextmanager
def running(
    engine: Engine, home: Path, *, check: Check | None = None, **more: Any
) -> Iterator[School]:
    """Run a school on a home; the test is left out where FreeRADIUS is not installed.

    Args:
        engine: Its database, with the people in it afterwards.
        home: The home.
        check: Looks at passwords; None: as the settings say.
        more: Settings of RADIUS.
    """
    freeradius_program()
    (home / "nas").write_text(SECRET)
    people_of(engine, home)
    eap, rest = free_ports(2)
    client = RadiusClient(network="127.0.0.1", secret_file="nas", site=SITE)
    radius = Radius(
        host="127.0.0.1",
        authentication_port=0,
        accounting_port=0,
        coa_port=0,
        clients=(client,),
        nt_hashes=True,
        eap=True,
        eap_port=eap,
        eap_rest_port=rest,
        **more,
    )
    settings, desk = PortalSettings(radius=radius), NoDesk()
    chain = build.chain(home, settings, engine, asks=upstream, clock=time.time_ns)
    side = RadiusSide(
        home,
        radius,
        engine=engine,
        desk=desk,
        check=check or chain.check,
        terms=RuleBook(engine, settings).terms,
        ids=IDS,
        clock=time.time_ns,
    )
    ready, ports = threading.Event(), {}
    stop = asyncio.Event()

    async def body() -> None:
        ports.update(await side.open())
        serving = asyncio.ensure_future(side.serve())
        ready.set()
        await stop.wait()
        side.close()
        serving.cancel()
        await asyncio.wait([serving])

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=lambda: loop.run_until_complete(body()))
    with chain:
        thread.start()
        assert ready.wait(20)
        school = School(
            home,
            ports["radius_authentication"],
            ports["radius_accounting"],
            side,
            radius,
            desk,
        )
        try:
            school.start()
            yield school
        finally:
            school.stop()
            loop.call_soon_threadsafe(stop.set)
            thread.join(20)
            loop.close()
