"""802.1X end to end: eapol_test as phone and access point, our server, a real FreeRADIUS."""

from pathlib import Path

import pytest
from sqlalchemy import Engine

from captive_portal.people.accounts import People
from captive_portal.radius import certificate, freeradius, ticket
from tests.captive_portal.conftest import SITE
from tests.captive_portal.radius.eap_school import (
    EAPOL,
    IDS,
    QUOTED,
    THAI,
    THAI_PASSWORD,
    School,
)

pytestmark = pytest.mark.skipif(EAPOL is None, reason="eapol_test is not here (eapoltest)")
PEAP = "PEAP"
WAYS = [("TTLS", "auth=PAP"), ("TTLS", "auth=MSCHAPV2"), ("PEAP", "auth=MSCHAPV2")]


@pytest.mark.parametrize(("method", "inner"), WAYS)
def test_a_phone_gets_in_and_the_access_point_learns_who_it_is(
    school: School, engine: Engine, method: str, inner: str
) -> None:
    outcome = school.phone("somchai", "correct horse", method=method, inner=inner)
    assert outcome, outcome.told[-3000:]
    assert "MPPE keys OK: 1  mismatch: 0" in outcome.told
    (octets,) = outcome.classes
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


def test_freeradius_may_begin_later_and_come_back(school: School) -> None:
    school.stop()
    assert not school.phone("somchai", "correct horse", seconds=2)
    school.start()
    assert school.phone("somchai", "correct horse")
    school.stop()
    school.start()
    assert school.phone("somchai", "correct horse")
