"""EAP-TLS for devices of the school: a certificate in each, tied to the device and its owner."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import pkcs12
from sqlalchemy import Engine

from captive_portal.errors import PortalError
from captive_portal.people.accounts import NewAccount, People
from captive_portal.people.device_certificates import DeviceCertificates
from captive_portal.people.devices import Devices
from captive_portal.radius import certificate, device_root, ticket
from captive_portal.radius.device_authority import DeviceAuthority, Packed
from tests.captive_portal.conftest import NOW, SITE
from tests.captive_portal.freeradius import free_ports
from tests.captive_portal.radius.eap_school import EAPOL, IDS, Outcome, School

pytestmark = pytest.mark.skipif(EAPOL is None, reason="eapol_test is not here (eapoltest)")
LAPTOP, OTHER = "02:00:5e:00:53:11", "02:00:5e:00:53:12"
TEACHER = "ครูสมศรี"


@dataclass
class Shelf:
    """Devices of the school, and the authority that gives them certificates."""

    school: School
    engine: Engine
    authority: DeviceAuthority
    certificates: DeviceCertificates

    def list(self, mac: str, account: str = TEACHER) -> None:
        owner = People(self.engine).find(SITE, account)
        assert owner is not None
        Devices(self.engine).own(SITE, mac, owner.id, "โน้ตบุ๊ก", now=NOW)

    def issue(self, mac: str = LAPTOP, *, days: int = 30, now: datetime | None = None) -> Packed:
        return self.authority.issue(SITE, mac, now=now or datetime.now(UTC), days=days)

    def sign_in(
        self, packed: Packed, *, mac: str = LAPTOP, outer: str = "anonymous", seconds: int = 8
    ) -> Outcome:
        """Have the device sign in with its file as it was given out."""
        path = self.school.home / "device.p12"
        path.write_bytes(packed.pkcs12)
        return self.school.supplicant(
            f" eap=TLS\n identity={outer.encode().hex()}\n"
            f' ca_cert="{self.school.home / certificate.ROOT}"\n'
            f' domain_match="{certificate.NAME}"\n'
            f' private_key="{path}"\n private_key_passwd="{packed.password}"\n',
            mac=mac,
            seconds=seconds,
        )

    def reasons(self) -> set[str]:
        return {word for word in self.school.counted() if word.startswith("reject ")}


@pytest.fixture
def shelf(school: School, engine: Engine) -> Shelf:
    # She has not been on the page yet: her device needs no password of hers.
    teacher = NewAccount(site=SITE, account=TEACHER, password="correct horse", must_change=True)
    People(engine).add(teacher, now=NOW)
    certificates = DeviceCertificates(engine)
    authority = DeviceAuthority(school.home, certificates, server_root=str(certificate.ROOT))
    shelf = Shelf(school, engine, authority, certificates)
    shelf.list(LAPTOP)
    return shelf


def test_a_device_gets_in_by_its_certificate_and_is_its_owners(
    shelf: Shelf, engine: Engine
) -> None:
    packed = shelf.issue()
    for outer in (TEACHER, f"host/{TEACHER}"):
        assert shelf.sign_in(packed, outer=outer), outer
    outcome = shelf.sign_in(packed)
    assert outcome, outcome.told[-3000:]
    assert "MPPE keys OK: 1  mismatch: 0" in outcome.told
    found = ticket.read(outcome.classes[0], SITE, IDS)
    teacher = People(engine).find(SITE, TEACHER)
    assert found is not None
    assert teacher is not None
    assert found.person == teacher.id
    assert not shelf.sign_in(packed, outer="somchai")
    assert shelf.reasons() == {"reject outer-name-of-another"}


def test_a_certificate_is_of_use_in_its_own_device_alone(shelf: Shelf) -> None:
    packed = shelf.issue()
    shelf.list(OTHER)
    assert not shelf.sign_in(packed, mac=OTHER)
    assert shelf.reasons() == {"reject certificate-of-another-device"}


def test_a_revoked_one_is_refused_at_once_and_later_by_freeradius_itself(shelf: Shelf) -> None:
    packed, kept = shelf.issue(), shelf.issue()
    assert shelf.sign_in(packed)
    shelf.authority.revoke(packed.issued.serial, now=datetime.now(UTC))
    assert not shelf.sign_in(packed)
    assert shelf.reasons() == {"reject certificate-revoked"}
    shelf.school.stop()
    shelf.school.start()
    assert not shelf.sign_in(packed, seconds=4)
    assert "certificate revoked" in shelf.school.said()
    assert shelf.school.counted()["reject certificate-revoked"] == 1
    assert shelf.sign_in(kept)


def test_one_that_ran_out_or_is_of_another_authority_is_refused(
    shelf: Shelf, tmp_path: Path
) -> None:
    over = shelf.issue(now=datetime.now(UTC) - timedelta(days=40))
    assert not shelf.sign_in(over, seconds=4)
    assert "certificate has expired" in shelf.school.said()
    stranger = DeviceAuthority(tmp_path / "other", shelf.certificates, server_root="none")
    foreign = stranger.issue(SITE, LAPTOP, now=datetime.now(UTC))
    assert not shelf.sign_in(foreign, seconds=4)
    # The strangers' authority has the name of ours, and another key.
    assert "certificate signature failure" in shelf.school.said()
    assert "eap-accept" not in shelf.school.counted()


def test_it_ends_with_the_device_or_its_owners_account(shelf: Shelf, engine: Engine) -> None:
    packed = shelf.issue()
    teacher = People(engine).find(SITE, TEACHER)
    assert teacher is not None
    People(engine).disable(teacher.id, now=NOW)
    assert not shelf.sign_in(packed)
    People(engine).enable(teacher.id)
    Devices(engine).switch(SITE, LAPTOP, on=False)
    assert not shelf.sign_in(packed)
    Devices(engine).remove(SITE, LAPTOP)
    assert not shelf.sign_in(packed)
    shelf.list(LAPTOP, "somchai")
    assert not shelf.sign_in(packed)
    assert shelf.school.counted()["reject certificate-of-no-listed-device"] == 3
    assert shelf.school.counted()["reject account-closed"] == 1


def test_without_the_box_no_certificate_lets_anybody_in(shelf: Shelf) -> None:
    packed, school = shelf.issue(), shelf.school
    (nobody,) = free_ports(1)
    school.stop()
    school.settings = school.settings.model_copy(update={"eap_rest_port": nobody})
    school.start()
    assert not shelf.sign_in(packed)
    assert "eap-accept" not in school.counted()


def test_only_listed_devices_get_one(shelf: Shelf, engine: Engine) -> None:
    teacher = People(engine).find(SITE, TEACHER)
    assert teacher is not None
    until = NOW + timedelta(days=9)
    Devices(engine).remember(SITE, OTHER, teacher.id, now=NOW, until=until)
    for mac in (OTHER, "02:00:5e:00:53:13", "nonsense"):
        with pytest.raises(PortalError, match="no listed device"):
            shelf.issue(mac)
    with pytest.raises(PortalError, match="no certificate"):
        shelf.authority.revoke("12ab", now=NOW)


def test_the_file_opens_with_its_password_and_holds_all_that_a_phone_wants(shelf: Shelf) -> None:
    packed = shelf.issue(days=30)
    opened = pkcs12.load_pkcs12(packed.pkcs12, packed.password.encode())
    assert opened.cert is not None
    assert f"{opened.cert.certificate.serial_number:x}" == packed.issued.serial
    roots = {one.certificate.subject.rfc4514_string() for one in opened.additional_certs}
    assert len(roots) == 2
    assert [one.serial for one in shelf.certificates.list(SITE)] == [packed.issued.serial]
    for name in (device_root.KEY, certificate.ROOT.with_suffix(".key")):
        assert (shelf.school.home / name).stat().st_mode & 0o777 == 0o600
    with pytest.raises(ValueError, match="password"):
        pkcs12.load_pkcs12(packed.pkcs12, b"another")
