"""What the status says of 802.1X before anything ends: no phone gets in afterwards."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from captive_portal import signed
from captive_portal.radius import certificate, device_root, freeradius
from captive_portal.radius.eap_status import EapStatus
from captive_portal.settings import Radius

SETTINGS = Radius(eap=True, eap_networks=("School 1X",))


def test_the_end_of_a_certificate_is_told_sixty_days_ahead_while_the_box_runs(
    tmp_path: Path,
) -> None:
    certificate.ready(tmp_path, SETTINGS)
    device_root.ready(tmp_path)
    status, now = EapStatus(tmp_path, SETTINGS), signed.wall_clock()
    assert "certificate" not in status.told(now)
    ends = certificate.ready(tmp_path, SETTINGS).until
    assert "certificate" not in status.told(ends - timedelta(days=61))
    told = status.told(ends - timedelta(days=60))["certificate"]
    assert "the certificate of 802.1X ends in 60 days" in told
    assert "ended 3 days ago" in status.told(ends + timedelta(days=2, hours=2))["certificate"]


def test_the_roots_end_is_told_too(tmp_path: Path) -> None:
    certificate.ready(tmp_path, SETTINGS)
    device_root.ready(tmp_path)
    then = signed.wall_clock() + timedelta(days=device_root.ROOT_DAYS - 30)
    told = EapStatus(tmp_path, SETTINGS).told(then)["certificate"]
    assert "the root of 802.1X ends in 29 days: devices need profiles" in told
    assert "the authority for devices of 802.1X ends in 29 days" in told


def test_it_is_told_when_no_profile_can_be_made(tmp_path: Path) -> None:
    certificate.ready(tmp_path, SETTINGS)
    status, now = EapStatus(tmp_path, SETTINGS), signed.wall_clock()
    assert "profiles" not in status.told(now)
    other, _ = signed.authority("another", now, 3000)
    (tmp_path / SETTINGS.eap_ca).write_bytes(signed.pem(other))
    assert "profiles" not in status.told(now + timedelta(minutes=59)), "looked at once an hour"
    told = status.told(now + timedelta(minutes=61))["profiles"]
    assert "did not sign the certificate" in told


def test_an_old_freeradius_is_told_of_and_a_newer_one_is_not() -> None:
    assert "CVE-2024-3596" in freeradius.caveat((3, 2, 1))
    assert "CVE-2024-3596" in freeradius.caveat((3, 2, 4))
    for version in ((), (3, 2, 5), (3, 2, 7), (3, 3, 0), (4, 0, 0)):
        assert freeradius.caveat(version) == ""
