"""Profiles for devices: what they say of the network, the server and how to sign in."""

from __future__ import annotations

import plistlib
import xml.etree.ElementTree as ET
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from hypothesis import given
from hypothesis import strategies as st

from captive_portal import durable, signed
from captive_portal.errors import PortalError
from captive_portal.radius import certificate
from captive_portal.radius.profiles import apple, facts, windows
from captive_portal.radius.profiles.facts import Facts
from captive_portal.settings import Radius

NETWORK, SCHOOL = "โรงเรียน 1X", "โรงเรียนตัวอย่าง"
SETTINGS = Radius(eap=True, eap_networks=(NETWORK, "Staff & <1X>"), eap_realm="school.example")
WLAN = "{http://www.microsoft.com/networking/WLAN/profile/v1}"
TTLS = "{http://www.microsoft.com/provisioning/EapTtlsConnectionPropertiesV1}"
TLS = "{http://www.microsoft.com/provisioning/EapTlsConnectionPropertiesV1}"
COMMON = "{http://www.microsoft.com/provisioning/EapCommon}"


def facts_of(home: Path) -> Facts:
    certificate.ready(home, SETTINGS)
    return facts.read(home, SETTINGS, SCHOOL)


def payloads(told: bytes, kind: str) -> list[dict[str, Any]]:
    whole = plistlib.loads(told)
    assert whole["PayloadType"] == "Configuration"
    for payload in (whole, *whole["PayloadContent"]):
        assert payload["PayloadVersion"] == 1
        assert payload["PayloadIdentifier"]
        assert payload["PayloadUUID"]
    return [one for one in whole["PayloadContent"] if one["PayloadType"] == kind]


def test_an_apple_profile_trusts_one_root_and_one_name(tmp_path: Path) -> None:
    known = facts_of(tmp_path)
    told = apple.profile(known)
    (root,) = payloads(told, "com.apple.security.root")
    assert x509.load_der_x509_certificate(root["PayloadContent"]) == known.root
    networks = payloads(told, "com.apple.wifi.managed")
    assert [one["SSID_STR"] for one in networks] == [NETWORK, "Staff & <1X>"]
    for network in networks:
        assert network["EncryptionType"] == "WPA2"
        client = network["EAPClientConfiguration"]
        assert client["AcceptEAPTypes"] == [21]
        assert client["TTLSInnerAuthentication"] == "PAP"
        assert client["OuterIdentity"] == "anonymous@school.example"
        assert client["TLSTrustedServerNames"] == [certificate.NAME]
        assert client["PayloadCertificateAnchorUUID"] == [root["PayloadUUID"]]
        assert "UserName" not in client
        assert "UserPassword" not in client
    assert apple.profile(known) == told, "a profile that comes again takes the place of the first"


def test_an_apple_profile_for_a_device_of_the_school_has_its_certificate(tmp_path: Path) -> None:
    told = apple.profile(facts_of(tmp_path), identity=b"a file", account="ครูสมศรี")
    (identity,) = payloads(told, "com.apple.security.pkcs12")
    assert identity["PayloadContent"] == b"a file"
    assert "Password" not in identity
    for network in payloads(told, "com.apple.wifi.managed"):
        assert network["EAPClientConfiguration"]["AcceptEAPTypes"] == [13]
        assert network["PayloadCertificateUUID"] == identity["PayloadUUID"]
        assert network["DisableAssociationMACRandomization"] is True


def test_a_windows_profile_has_what_the_schemas_want_in_their_order(tmp_path: Path) -> None:
    known = facts_of(tmp_path)
    root = ET.fromstring(windows.profile(known, NETWORK))
    order = [child.tag.removeprefix(WLAN) for child in root]
    assert order == ["name", "SSIDConfig", "connectionType", "connectionMode", "MSM"]
    assert root.findtext(f"{WLAN}SSIDConfig/{WLAN}SSID/{WLAN}hex") == NETWORK.encode().hex().upper()
    assert [one.text for one in root.iter(f"{WLAN}authentication")] == ["WPA2"]
    assert [one.text for one in root.iter(f"{COMMON}Type")] == ["21"]
    assert [one.text for one in root.iter(f"{COMMON}AuthorId")] == ["311"]
    (ttls,) = root.iter(f"{TTLS}EapTtls")
    assert [child.tag.removeprefix(TTLS) for child in ttls] == [
        "ServerValidation", "Phase2Authentication", "Phase1Identity",
    ]  # fmt: skip
    assert ttls.findtext(f"{TTLS}ServerValidation/{TTLS}ServerNames") == certificate.NAME
    thumb = ttls.findtext(f"{TTLS}ServerValidation/{TTLS}TrustedRootCAHash") or ""
    assert bytes.fromhex(thumb) == known.root.fingerprint(hashes.SHA1())
    assert ttls.findtext(f"{TTLS}ServerValidation/{TTLS}DisablePrompt") == "true"
    assert ttls.find(f"{TTLS}Phase2Authentication/{TTLS}PAPAuthentication") is not None
    outer = ttls.findtext(f"{TTLS}Phase1Identity/{TTLS}AnonymousIdentity")
    assert outer == "anonymous@school.example"


def test_a_windows_profile_for_certificates_is_of_another_kind(tmp_path: Path) -> None:
    told = windows.profile(facts_of(tmp_path), "Staff & <1X>", certificate=True)
    root = ET.fromstring(told)
    assert root.findtext(f"{WLAN}name") == "Staff & <1X>"
    assert [one.text for one in root.iter(f"{COMMON}Type")] == ["13"]
    (tls,) = root.iter(f"{TLS}EapType")
    assert [child.tag.rpartition("}")[2] for child in tls] == [
        "CredentialsSource", "ServerValidation", "DifferentUsername",
        "PerformServerValidation", "AcceptServerName",
    ]  # fmt: skip
    assert b"ns0:" not in told


def test_no_profile_is_made_where_it_is_not_certain_whom_to_trust(tmp_path: Path) -> None:
    with pytest.raises(PortalError, match=r"no Wi-Fi with 802\.1X"):
        facts.read(tmp_path, Radius(eap=True), SCHOOL)
    with pytest.raises(PortalError, match=r"eap\.pem.*the box makes it"):
        facts.read(tmp_path, SETTINGS, SCHOOL)
    facts_of(tmp_path)
    other, _ = signed.authority("another root", signed.wall_clock(), 10)
    (tmp_path / SETTINGS.eap_ca).write_bytes(signed.pem(other))
    with pytest.raises(PortalError, match="did not sign the certificate"):
        facts.read(tmp_path, SETTINGS, SCHOOL)


def test_a_chain_of_the_schools_own_leads_to_its_root(tmp_path: Path) -> None:
    """Given a server's certificate by an authority between, whose root alone is named."""
    now = signed.wall_clock()
    until = now + timedelta(days=9)
    root, root_key = signed.authority("the root", now, 10)
    middle_key, key = signed.new_key(), signed.new_key()
    middle_name, name = signed.common_name("between"), signed.common_name("radius.school.example")
    middle = signed.begun(middle_name, root.subject, middle_key.public_key(), now, until).sign(
        root_key, hashes.SHA256()
    )
    server = signed.begun(name, middle_name, key.public_key(), now, until).sign(
        middle_key, hashes.SHA256()
    )
    durable.write(tmp_path / SETTINGS.eap_ca, signed.pem(root), 0o644)
    chain = tmp_path / SETTINGS.eap_certificate
    durable.write(chain, signed.pem(server) + signed.pem(middle), 0o644)
    told = facts.read(tmp_path, SETTINGS, SCHOOL)
    assert (told.root, told.servers) == (root, ("radius.school.example",))
    durable.write(chain, signed.pem(server), 0o644)
    with pytest.raises(PortalError, match="did not sign"):
        facts.read(tmp_path, SETTINGS, SCHOOL)


NAMES = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=8)


@pytest.fixture(scope="module")
def some(tmp_path_factory: pytest.TempPathFactory) -> Facts:
    return facts_of(tmp_path_factory.mktemp("home"))


@given(network=NAMES, school=NAMES)
def test_any_name_comes_out_as_it_went_in(some: Facts, network: str, school: str) -> None:
    named = Facts(
        networks=(network,), servers=some.servers, root=some.root, realm="", school=school
    )
    (told,) = payloads(apple.profile(named), "com.apple.wifi.managed")
    assert told["SSID_STR"] == network
    assert ET.fromstring(windows.profile(named, network)).findtext(f"{WLAN}name") == network
