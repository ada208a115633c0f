"""The whole portal with a real directory and a real RADIUS server: page, session, accounting."""

import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from captive_portal.__main__ import STATUS
from captive_portal.settings import Ldap, OutsideGroup, RadiusUpstream, Zone
from tests.captive_portal.collector_stub import CollectorStub
from tests.captive_portal.conftest import SITE, Running, Start
from tests.captive_portal.freeradius import SECRET, FreeRadius, free_ports
from tests.captive_portal.slapd import BASE, READER, READER_PASSWORD, Slapd, group, person
from tests.collector.receive.authority import Authority

USERS = 'district Cleartext-Password := "of the district"\n'
SIGN = "update reply {\nMessage-Authenticator := 0x00\n}"
ZONE = Zone(id="wifi", site=SITE, networks=("127.0.0.0/8",), ways=("local", "ldap", "radius"))


@pytest.fixture
def slapd(tmp_path: Path) -> Iterator[Slapd]:
    authority = Authority(tmp_path / "authority")
    server = Slapd(tmp_path / "slapd", authority, name="localhost")
    server.load(
        person("malee", "มาลี สวนดี", "ดอกมะลิ 2569") + group("teachers", "uid=malee,ou=people")
    )
    server.start()
    yield server
    server.stop()


@pytest.fixture
def box(tmp_path: Path, start: Start, slapd: Slapd, collector: CollectorStub) -> Iterator[Running]:
    (tmp_path / "reader").write_text(READER_PASSWORD)
    (tmp_path / "secret").write_text(SECRET)
    directory = Ldap(
        id="school",
        site=SITE,
        servers=(slapd.ldap,),
        ca_file="authority/ca.crt",
        base=BASE,
        bind_dn=READER,
        bind_password_file="reader",
        groups=(OutsideGroup(outside="teachers", kind="teacher"),),
    )
    with FreeRadius(tmp_path / "radius", users=USERS, post_auth=SIGN, ports=free_ports(2)) as one:
        upstream = RadiusUpstream(
            id="district",
            site=SITE,
            servers=(f"127.0.0.1:{one.auth_port}",),
            accounting=(f"127.0.0.1:{one.acct_port}",),
            secret_file="secret",
            method="mschapv2",
        )
        yield start(zones=(ZONE,), ldap=(directory,), radius_upstream=(upstream,))


def sign_in(box: Running, account: str, password: str) -> int:
    with httpx.Client(base_url=box.url, follow_redirects=False) as browser:
        found = re.search(r'name="token" value="([^"]+)"', browser.get("/").text)
        assert found is not None
        form = {"account": account, "password": password, "token": found[1]}
        return browser.post("/", data=form).status_code


def eventually(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_the_same_page_for_people_of_three_places(
    box: Running, collector: CollectorStub, people: object
) -> None:
    assert sign_in(box, "malee", "ดอกมะลิ 2569") == 303
    assert sign_in(box, "district", "of the district") == 303
    assert sign_in(box, "somchai", "correct horse") == 303
    for account in ("malee", "district", "somchai", "nobody"):
        assert sign_in(box, account, "wrong") == 403
    starts = [one for one in collector.sessions if one.event == "start"]
    assert [one.proofing for one in starts] == ["LDAP school", "RADIUS district", "school register"]
    assert starts[0].full_name == "มาลี สวนดี"

    detail = box.home / "radius" / "detail"
    eventually(lambda: detail.exists() and detail.read_text().count("= Start") == 3)
    assert "Acct-Status-Type = Accounting-On" in detail.read_text()
    eventually(lambda: status(box)["sign_in"]["counts"].get("radius district unknown") == 2)
    counts = status(box)["sign_in"]["counts"]
    assert counts["ldap school right"] == counts["radius district right"] == 1
    assert counts["ldap school wrong"] == 1


def status(box: Running) -> dict[str, dict[str, dict[str, int]]]:
    told: dict[str, dict[str, dict[str, int]]] = json.loads((box.home / STATUS).read_text())
    return told
