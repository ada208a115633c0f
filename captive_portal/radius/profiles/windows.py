"""A profile for Windows: one WLAN profile in XML for each network, for `netsh wlan add profile`.

The elements and their order are those of Microsoft's schemas (WLAN_profile v1, OneX v1,
EapHostConfig, EapTtlsConnectionPropertiesV1, EapTlsConnectionPropertiesV1 and V2). Windows has
EAP-TTLS since version 8. The root has to be put in beside it: a profile names it by its hash.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET

from captive_portal.radius.profiles.facts import Facts

MEDIA_TYPE = "application/xml"
_WLAN = "http://www.microsoft.com/networking/WLAN/profile/v1"
_ONE_X = "http://www.microsoft.com/networking/OneX/v1"
_PROVISIONING = "http://www.microsoft.com/provisioning/"
_HOST, _COMMON = f"{_PROVISIONING}EapHostConfig", f"{_PROVISIONING}EapCommon"
_BASE = f"{_PROVISIONING}BaseEapConnectionPropertiesV1"
_TTLS = f"{_PROVISIONING}EapTtlsConnectionPropertiesV1"
_TLS, _TLS2 = (f"{_PROVISIONING}EapTlsConnectionPropertiesV{version}" for version in (1, 2))
_TTLS_TYPE, _TLS_TYPE = 21, 13
_MICROSOFT = 311
"""Who wrote the method: EAP-TTLS is not one of the oldest ones, which have 0."""


def profile(facts: Facts, network: str, *, certificate: bool = False) -> bytes:
    """Return a profile.

    Args:
        facts: What it says.
        network: The network's name (SSID).
        certificate: The device shows its certificate; else people type their account.
    """
    root = ET.Element(f"{{{_WLAN}}}WLANProfile")
    _add(root, "name", network)
    ssid = _add(_add(root, "SSIDConfig"), "SSID")
    _add(ssid, "hex", network.encode().hex().upper())
    _add(ssid, "name", network)
    _add(root, "connectionType", "ESS")
    _add(root, "connectionMode", "auto")
    security = _add(_add(root, "MSM"), "security")
    kind = _add(security, "authEncryption")
    _add(kind, "authentication", "WPA2")
    _add(kind, "encryption", "AES")
    _add(kind, "useOneX", "true")
    one_x = _add(security, "OneX", space=_ONE_X)
    _add(one_x, "cacheUserData", "true")
    _add(one_x, "authMode", "user")
    host = _add(_add(one_x, "EAPConfig"), "EapHostConfig", space=_HOST)
    _method(host, _TLS_TYPE if certificate else _TTLS_TYPE)
    (_certificate if certificate else _password)(_add(host, "Config"), facts)
    ET.indent(root)
    return _plain(root)


def _method(host: ET.Element, number: int) -> None:
    method = _add(host, "EapMethod")
    author = _MICROSOFT if number == _TTLS_TYPE else 0
    told = {"Type": number, "VendorId": 0, "VendorType": 0, "AuthorId": author}
    for name, value in told.items():
        _add(method, name, str(value), space=_COMMON)


def _password(config: ET.Element, facts: Facts) -> None:
    ttls = _add(config, "EapTtls", space=_TTLS)
    server = _add(ttls, "ServerValidation")
    _add(server, "ServerNames", ";".join(facts.servers))
    _add(server, "TrustedRootCAHash", facts.thumbprint(strong=False))
    # Nobody is asked whether to trust another server: people say yes.
    _add(server, "DisablePrompt", "true")
    _add(_add(ttls, "Phase2Authentication"), "PAPAuthentication")
    identity = _add(ttls, "Phase1Identity")
    _add(identity, "IdentityPrivacy", "true")
    _add(identity, "AnonymousIdentity", facts.outer)


def _certificate(config: ET.Element, facts: Facts) -> None:
    eap = _add(config, "Eap", space=_BASE)
    _add(eap, "Type", str(_TLS_TYPE))
    tls = _add(eap, "EapType", space=_TLS)
    store = _add(_add(tls, "CredentialsSource"), "CertificateStore")
    _add(store, "SimpleCertSelection", "true")
    server = _add(tls, "ServerValidation")
    _add(server, "DisableUserPromptForServerValidation", "true")
    _add(server, "ServerNames", ";".join(facts.servers))
    _add(server, "TrustedRootCA", facts.thumbprint(strong=False))
    _add(tls, "DifferentUsername", "false")
    _add(tls, "PerformServerValidation", "true", space=_TLS2)
    _add(tls, "AcceptServerName", "true", space=_TLS2)


def _add(at: ET.Element, name: str, text: str = "", *, space: str = "") -> ET.Element:
    """Return a new element below another, in its namespace unless told."""
    made = ET.SubElement(at, f"{{{space or at.tag[1:].partition('}')[0]}}}{name}")
    made.text = text or None
    return made


def _plain(root: ET.Element) -> bytes:
    """Return XML in which each element that changes the namespace says so itself.

    Windows reads prefixes too, but its own tools and all examples are written so.
    """
    text = ET.tostring(_unprefixed(root, ""), encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'.encode()


def _unprefixed(element: ET.Element, around: str) -> ET.Element:
    space, _, name = element.tag[1:].partition("}")
    made = ET.Element(name, {"xmlns": space} if space != around else {})
    made.text, made.tail = element.text, element.tail
    made.extend(_unprefixed(child, space) for child in element)
    return made
