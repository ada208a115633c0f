"""A profile for iPhone, iPad and Mac (`.mobileconfig`): the root, and a payload for each network.

The keys are those of Apple's device management documentation (`com.apple.wifi.managed`,
`com.apple.security.root`, `com.apple.security.pkcs12`). It is not signed: the device says so, and
installs it all the same.
"""

from __future__ import annotations

import plistlib
from typing import Any
from uuid import NAMESPACE_DNS, UUID, uuid5

from captive_portal.radius.profiles.facts import Facts

MEDIA_TYPE = "application/x-apple-aspen-config"
_TLS, _TTLS = 13, 21
Payload = dict[str, Any]


def profile(facts: Facts, *, identity: bytes = b"", account: str = "") -> bytes:
    """Return a profile.

    Args:
        facts: What it says.
        identity: A device's PKCS#12 file, which makes it EAP-TLS; else people type their account.
        account: Its owner's account, with `identity`.
    """
    root = _root(facts)
    content = [root]
    known = str(_uuid(facts, "device")) if identity else ""
    if identity:
        content.append(_identity(facts, identity, known))
    content += [
        _network(facts, name, anchor=str(root["PayloadUUID"]), identity=known, account=account)
        for name in facts.networks
    ]
    whole = _payload(facts, "Configuration", "profile", _title(facts)) | {
        "PayloadOrganization": facts.school,
        "PayloadRemovalDisallowed": False,
        "PayloadContent": content,
    }
    return plistlib.dumps(whole)


def _title(facts: Facts) -> str:
    return f"Wi-Fi {facts.school}"


def _root(facts: Facts) -> Payload:
    return _payload(facts, "com.apple.security.root", "root", f"{_title(facts)}: CA") | {
        "PayloadCertificateFileName": "wifi-ca.cer",
        "PayloadContent": facts.root_der,
    }


def _identity(facts: Facts, pkcs12: bytes, known: str) -> Payload:
    # Without the password: the device asks for it when the profile is put in.
    made = _payload(facts, "com.apple.security.pkcs12", "device", f"{_title(facts)}: device")
    return made | {
        "PayloadUUID": known,
        "PayloadCertificateFileName": "device.p12",
        "PayloadContent": pkcs12,
    }


def _network(facts: Facts, name: str, *, anchor: str, identity: str, account: str) -> Payload:
    client: Payload = {
        "AcceptEAPTypes": [_TLS if identity else _TTLS],
        "PayloadCertificateAnchorUUID": [anchor],
        "TLSTrustedServerNames": list(facts.servers),
        "TLSMinimumVersion": "1.2",
    }
    if identity:
        client["UserName"] = account
    else:
        client |= {"TTLSInnerAuthentication": "PAP", "OuterIdentity": facts.outer}
    made = _payload(facts, "com.apple.wifi.managed", f"network {name}", f"Wi-Fi {name}") | {
        "SSID_STR": name,
        "HIDDEN_NETWORK": False,
        "AutoJoin": True,
        "EncryptionType": "WPA2",  # WPA3 too, since iOS 16 and macOS 13
        "EAPClientConfiguration": client,
    }
    if identity:
        # The certificate is tied to the device's own MAC.
        made |= {"PayloadCertificateUUID": identity, "DisableAssociationMACRandomization": True}
    return made


def _payload(facts: Facts, kind: str, what: str, title: str) -> Payload:
    known = _uuid(facts, what)
    return {
        "PayloadType": kind,
        "PayloadVersion": 1,
        "PayloadIdentifier": f"prathu.wifi.{facts.servers[0]}.{known.hex[:12]}",
        "PayloadUUID": str(known).upper(),
        "PayloadDisplayName": title,
    }


def _uuid(facts: Facts, what: str) -> UUID:
    """Return an id that stays: a profile that comes again takes the place of the one before."""
    return uuid5(NAMESPACE_DNS, f"{facts.servers[0]} {what}")
