"""802.1X, case by case: what is offered, what is refused and why, and what comes back later."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from pyrad import packet as pyrad
from sqlalchemy import Engine

from captive_portal.people.accounts import Account, NewAccount, People
from captive_portal.people.outside import Outside, Outsider
from captive_portal.radius import certificate, guard, ticket
from captive_portal.sign_in.way import Attempt
from tests.captive_portal.conftest import NOW, SITE
from tests.captive_portal.freeradius import free_ports
from tests.captive_portal.radius import eap_school
from tests.captive_portal.radius.eap_school import EAPOL, IDS, SECRET, School

pytestmark = pytest.mark.skipif(EAPOL is None, reason="eapol_test is not here (eapoltest)")
NOT_OFFERED = ["MD5", "MSCHAPV2", "GTC", "LEAP", "FAST", "PWD", "OTP"]
NOT_INSIDE = [
    ("TTLS", "auth=CHAP"),
    ("TTLS", "auth=MSCHAP"),
    ("TTLS", "autheap=MD5"),
    ("TTLS", "autheap=GTC"),
    ("PEAP", "auth=MD5"),
    ("PEAP", "auth=GTC"),
]


def test_nothing_but_tunnels_and_certificates_is_offered(school: School) -> None:
    for method in NOT_OFFERED:
        how = (
            f' eap={method}\n identity="somchai"\n password="correct horse"\n'
            f' phase1="fast_provisioning=2"\n pac_file="{school.home / "pac"}"\n'
            f' ca_cert="{school.home / certificate.ROOT}"\n'
        )
        assert not school.supplicant(how, seconds=3), method
    assert "eap-accept" not in school.counted()
    assert school.phone("somchai", "correct horse")


def test_nor_inside_the_tunnel_but_a_password_or_mschapv2(school: School) -> None:
    for method, inner in NOT_INSIDE:
        refused = school.phone("somchai", "correct horse", method=method, inner=inner, seconds=3)
        assert not refused, (method, inner)
    assert "eap-accept" not in school.counted()
    assert school.counted()["reject mschap-of-first-version"] == 1
    assert school.counted()["reject chap-needs-a-clear-password"] == 1


WAYS = [("TTLS", "auth=PAP"), ("TTLS", "auth=MSCHAPV2"), ("PEAP", "auth=MSCHAPV2")]


def test_who_comes_back_proves_it_anew(school: School) -> None:
    for method, inner in WAYS:
        outcome = school.phone("somchai", "correct horse", method=method, inner=inner, again=1)
        assert outcome, outcome.told[-3000:]
        assert "resumed=0" in outcome.told
        assert "resumed=1" not in outcome.told
        assert len(set(outcome.classes)) == 2
    assert school.counted()["eap-accept"] == 2 * len(WAYS)


def test_accounting_in_the_outer_name_is_of_who_was_inside(school: School, engine: Engine) -> None:
    outcome = school.phone("somchai", "correct horse")
    (octets,) = outcome.classes
    start: Any = pyrad.AcctPacket(
        id=1, secret=SECRET.encode(), dict=guard.dictionary(), code=pyrad.AccountingRequest
    )
    start.AddAttribute("Acct-Status-Type", "Start")
    start.AddAttribute("Acct-Session-Id", "0001")
    start.AddAttribute("User-Name", "anonymous@school.example")
    start.AddAttribute("NAS-IP-Address", "127.0.0.1")
    start.setdefault(25, []).append(octets)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
        wire.settimeout(20)
        wire.sendto(start.RequestPacket(), ("127.0.0.1", school.accounting_port))
        assert wire.recv(4096)[0] == pyrad.AccountingResponse
    (heard,) = school.desk.heard
    somchai = People(engine).find(SITE, "somchai")
    assert somchai is not None
    assert heard.account == "anonymous@school.example"
    assert heard.person == somchai.id


def test_without_the_box_nobody_is_let_in_and_a_second_after_it_is_back_all_are(
    school: School,
) -> None:
    """Given a FreeRADIUS that asks where nobody answers, as when the box has just stopped."""
    right = school.settings
    (nobody,) = free_ports(1)
    for port, lets_in in ((nobody, False), (right.eap_rest_port, True)):
        school.stop()
        school.settings = right.model_copy(update={"eap_rest_port": port})
        school.start()
        for method, inner in WAYS:
            outcome = school.phone("somchai", "correct horse", method=method, inner=inner)
            assert bool(outcome) is lets_in
            assert ("EAP-Failure" in outcome.told or "CTRL-EVENT-EAP-FAILURE" in outcome.told) is (
                not lets_in
            )


def directory_person(engine: Engine) -> Account:
    who = Outsider(site=SITE, source="ldap", outside_id="0-1", account="kru")
    return Outside(engine).adopt(who, NOW)


def test_of_two_of_one_name_it_is_the_one_whose_password_was_typed(
    engine: Engine, tmp_path: Path
) -> None:
    """Given one of a name here, and another in a directory: with a password each."""
    here = People(engine).add(NewAccount(site=SITE, account="kru", password="here 1234"), now=NOW)
    there = directory_person(engine)
    assert there.id != here.id

    async def check(attempt: Attempt, _ways: Sequence[str]) -> Account:
        return there if attempt.password == "of a directory" else here

    with eap_school.running(engine, tmp_path, check=check) as school:
        for password, who in (("of a directory", there), ("here 1234", here)):
            (octets,) = school.phone("kru", password).classes
            found = ticket.read(octets, SITE, IDS)
            assert found is not None
            assert found.person == who.id


def test_mschapv2_says_why_it_cannot_be_for_accounts_of_a_directory(
    engine: Engine, tmp_path: Path
) -> None:
    """Given two that only a directory knows the passwords of; one was here before."""
    directory_person(engine)
    with eap_school.running(engine, tmp_path, ways=("local", "ldap")) as school:
        for method, inner in WAYS[1:]:
            for user in ("kru", "kru.new"):
                assert not school.phone(user, "her password", method=method, inner=inner)
        counted = school.counted()
        assert counted["reject mschap-account-of-a-directory"] == 2
        assert counted["reject mschap-not-known-here"] == 2
        told = {(one["account"], one["reason"]) for one in school.side.authentication.recent}
        assert told == {("kru", "mschap-account-of-a-directory")}
