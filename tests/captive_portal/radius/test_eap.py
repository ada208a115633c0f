"""802.1X end to end: eapol_test as phone and access point, our server, a real FreeRADIUS."""

import asyncio
import re
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from captive_portal.desk.rules import RuleBook
from captive_portal.people import nt_hashes
from captive_portal.people.accounts import NewAccount, People
from captive_portal.radius import certificate, freeradius, ticket
from captive_portal.radius.side import RadiusSide
from captive_portal.radius.upstream import upstream
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
pytestmark = pytest.mark.skipif(EAPOL is None, reason="eapol_test is not here (eapoltest)")
PEAP = "PEAP"
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
    """Nobody reports sessions here."""

    def keep(self, heard: Any) -> Any:
        return []

    def submit(self, work: Callable[[], None]) -> Any:
        raise AssertionError

    async def end(self, session: Any, cause: str) -> Any:
        raise AssertionError


@dataclass
class School:
    """Our server and FreeRADIUS behind it."""

    home: Path
    port: int
    side: RadiusSide
    settings: Radius
    daemon: "subprocess.Popen[bytes] | None" = None
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
    ) -> "Outcome":
        """Sign a phone in by 802.1X."""
        conf = self.home / "phone.conf"
        conf.write_text(
            "network={\n key_mgmt=WPA-EAP\n"
            f" eap={method}\n identity={user.encode().hex()}\n"
            f" anonymous_identity={outer.encode().hex()}\n"
            f" password={_hex(password)}\n"
            f' phase2="{inner}"\n ca_cert="{ca or self.home / certificate.ROOT}"\n'
            f' domain_match="{domain}"\n}}\n'
        )
        assert EAPOL is not None
        done = subprocess.run(
            [
                *(EAPOL, "-c", str(conf), "-s", SECRET, "-M", "02:00:5e:00:53:01"),
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


def _hex(text: str) -> str:
    return text.encode().hex()


@pytest.fixture
def school(engine: Engine, tmp_path: Path) -> Iterator[School]:
    freeradius_program()
    (tmp_path / "nas").write_text(SECRET)
    people_of(engine, tmp_path)
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
    )
    settings = PortalSettings(radius=radius)
    chain = build.chain(tmp_path, settings, engine, asks=upstream, clock=time.time_ns)
    side = RadiusSide(
        tmp_path,
        radius,
        engine=engine,
        desk=NoDesk(),
        check=chain.check,
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
        school = School(tmp_path, ports["radius_authentication"], side, radius)
        try:
            school.start()
            yield school
        finally:
            school.stop()
            loop.call_soon_threadsafe(stop.set)
            thread.join(20)
            loop.close()


def classes(outcome: Outcome) -> list[bytes]:
    """Return the Classes that the access point got, out of eapol_test's own words."""
    lines = re.findall(r"Attribute 25 \(Class\)[^\n]*\n\s+Value: ([0-9a-f]+)", outcome.told)
    return [bytes.fromhex(line) for line in lines]


WAYS = [("TTLS", "auth=PAP"), ("TTLS", "auth=MSCHAPV2"), ("PEAP", "auth=MSCHAPV2")]


@pytest.mark.parametrize(("method", "inner"), WAYS)
def test_a_phone_gets_in_and_the_access_point_learns_who_it_is(
    school: School, engine: Engine, method: str, inner: str
) -> None:
    outcome = school.phone("somchai", "correct horse", method=method, inner=inner)
    assert outcome, outcome.told[-3000:]
    assert "MPPE keys OK: 1  mismatch: 0" in outcome.told
    (octets,) = classes(outcome)
    found = ticket.read(octets, SITE, IDS)
    somchai = People(engine).find(SITE, "somchai")
    assert found is not None
    assert somchai is not None
    assert found.person == somchai.id
    assert "Attribute 1 (User-Name) length=9" in outcome.told
    for user, password in ((THAI, THAI_PASSWORD), ("quoted", QUOTED + " long")):
        outcome = school.phone(user, password, method=method, inner=inner)
        assert outcome, outcome.told[-3000:]
    assert not school.phone("somchai", "wrong horse", method=method, inner=inner)
    assert school.counted()["eap-accept"] == 3


def test_who_claims_to_be_another_outside_is_refused(school: School) -> None:
    for outer in ("somchai", "anonymous", "@school.example"):
        assert school.phone("somchai", "correct horse", outer=outer), outer
    for method, inner in WAYS:
        refused = school.phone("somchai", "correct horse", outer=THAI, method=method, inner=inner)
        assert not refused
    assert school.counted()["reject outer-name-of-another"] >= 3


def test_a_phone_that_knows_another_root_or_name_does_not_send_its_password(
    school: School, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    freeradius.write(other, school.settings)
    for given in ({"ca": other / certificate.ROOT}, {"domain": "radius.other.example"}):
        assert not school.phone("somchai", "correct horse", seconds=3, **given)
    assert not any(name.startswith("reject") for name in school.counted())


def test_peap_without_a_kept_hash_is_refused_for_that_reason(school: School) -> None:
    assert not school.phone("bare", "correct horse", method=PEAP, inner="auth=MSCHAPV2")
    assert school.counted()["reject mschap-needs-an-nt-hash"] == 1
    assert school.phone("bare", "correct horse")


@pytest.mark.parametrize("method", ["MD5", "MSCHAPV2", "GTC"])
def test_nothing_but_tunnels_is_offered(school: School, method: str) -> None:
    assert not school.phone("somchai", "correct horse", outer="somchai", method=method, seconds=3)


def test_freeradius_may_begin_later_and_come_back(school: School) -> None:
    school.stop()
    assert not school.phone("somchai", "correct horse", seconds=2)
    school.start()
    assert school.phone("somchai", "correct horse")
    school.stop()
    school.start()
    assert school.phone("somchai", "correct horse")
