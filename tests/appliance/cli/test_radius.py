"""Profiles and certificates for devices that join 802.1X, as verbs."""

from __future__ import annotations

import plistlib
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import pkcs12

from captive_portal.radius import certificate
from captive_portal.settings import Radius
from tests.appliance.cli.boxes import Box

A = ("--site", "school-a")
LAPTOP = "02:00:5e:00:53:11"
EAP = '[radius]\neap = true\neap_networks = ["โรงเรียน 1X", "Staff"]\n'


@pytest.fixture
def box(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Box:
    box = Box(tmp_path, capsys, monkeypatch)
    settings = tmp_path / "prathu.toml"
    settings.write_text(settings.read_text() + EAP)
    certificate.ready(tmp_path, Radius())
    assert box.prathu("people", "add", "kru", "--kind", "teacher", *A).status == 0
    named = ("--owner", "kru", "--name", "โน้ตบุ๊กครู")
    assert box.prathu("devices", "add", LAPTOP, *named, *A).status == 0
    return box


def test_a_profile_for_each_kind_of_device(box: Box) -> None:
    apple, windows, root = (box.home / name for name in ("a.mobileconfig", "w.xml", "ca.crt"))
    assert box.prathu("radius", "profile", "apple", "--out", str(apple), *A).status == 0
    told = plistlib.loads(apple.read_bytes())
    assert [one.get("SSID_STR") for one in told["PayloadContent"]][1:] == ["โรงเรียน 1X", "Staff"]
    to = ("--out", str(windows))
    asked = box.prathu("radius", "profile", "windows", *to, *A)
    assert (asked.status, "which network" in asked.err) == (2, True)
    named = ("--network", "Staff")
    assert box.prathu("radius", "profile", "windows", *to, *named, *A).status == 0
    assert ET.parse(windows).getroot()[0].text == "Staff"
    said = box.prathu("--json", "radius", "profile", "android", "--out", str(root), *A)
    (fields,) = said.lines()
    assert fields["domain"] == certificate.NAME
    assert fields["anonymous_identity"] == "anonymous"
    assert x509.load_der_x509_certificate(root.read_bytes()).serial_number
    assert box.prathu("radius", "profile", "apple", "--out", str(apple), *A).status == 2


def test_a_device_gets_a_certificate_that_is_listed_and_taken_back(box: Box) -> None:
    file = box.home / "laptop.p12"
    said = box.prathu(
        "--json", "radius", "certificate", "add", LAPTOP, "--out", str(file), "--days", "30", *A
    )
    (made,) = said.lines()
    opened = pkcs12.load_pkcs12(file.read_bytes(), made["password"].encode())
    assert opened.cert is not None
    assert opened.cert.certificate.subject.rfc4514_string() == "CN=kru"
    assert file.stat().st_mode & 0o777 == 0o600
    (listed,) = box.prathu("--json", "radius", "certificate", "list").lines()
    assert listed["state"] == "good"
    assert listed["serial"] == made["serial"]
    assert "password" not in listed
    past = box.home / "sessions.csv"
    past.write_text(
        "site,person,address,mac,nas,method,start,stop\n"
        f"school-a,kru,10.0.0.7,{LAPTOP},ap,802.1X,2026-11-22T08:00:00+07:00,\n"
    )
    assert box.prathu("sessions", "import", str(past)).status == 0
    assert len(box.prathu("--json", "sessions", "--live").lines()) == 1
    assert box.prathu("radius", "certificate", "revoke", made["serial"]).status == 0
    assert box.prathu("--json", "sessions", "--live").lines() == []
    (listed,) = box.prathu("--json", "radius", "certificate", "list").lines()
    assert listed["state"] == "revoked"
    assert box.prathu("radius", "certificate", "revoke", "12ab").status == 1


def test_a_certificate_in_a_profile_for_an_iphone(box: Box) -> None:
    file = box.home / "ipad.mobileconfig"
    given = ("--out", str(file), "--apple")
    (made,) = box.prathu("--json", "radius", "certificate", "add", LAPTOP, *given, *A).lines()
    kinds = {one["PayloadType"]: one for one in plistlib.loads(file.read_bytes())["PayloadContent"]}
    octets = kinds["com.apple.security.pkcs12"]["PayloadContent"]
    assert pkcs12.load_pkcs12(octets, made["password"].encode()).key


def test_a_device_that_is_not_listed_gets_none_and_leaves_no_file(box: Box) -> None:
    file = box.home / "x.p12"
    said = box.prathu("radius", "certificate", "add", "02:00:5e:00:53:99", "--out", str(file), *A)
    assert said.status == 3
    assert "no listed device" in said.err
    assert "prathu devices add" in said.err
    assert not file.exists()
    assert box.prathu("--json", "radius", "certificate", "list").lines() == []
