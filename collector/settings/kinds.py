"""The kinds of values that settings are made of: each is checked once, where it is read."""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import re
from typing import Annotated

from pydantic import AfterValidator, Field

_COSIGNATURE = 0x04
LEAST_DAYS = 90
"""So long traffic data must be kept from its receipt (Computer Crime Act, section 26)."""


def _site_id(value: str) -> str:
    if not re.fullmatch(r"(?!schema$)[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?", value):
        raise ValueError("a site id is a lower-case DNS name such as school-a.example.ac.th")
    return value


def _network(value: str) -> str:
    return str(ipaddress.ip_network(value, strict=False))


def _maybe_network(value: str) -> str:
    return _network(value) if value else ""


def _host_port(value: str) -> str:
    host, _, port = value.rpartition(":")
    ipaddress.ip_address(host.strip("[]"))
    if not port.isdecimal() or not 0 <= int(port) <= 65535:
        raise ValueError("wanted ADDRESS:PORT, for instance 0.0.0.0:2055")
    return value


def _address(value: str) -> str:
    return str(ipaddress.ip_address(value))


def _router(value: str) -> str:
    mac = value.lower().replace("-", ":")
    return mac if re.fullmatch(r"([0-9a-f]{2}:){5}[0-9a-f]{2}", mac) else _address(value)


def _interface(value: str) -> str:
    if not re.fullmatch(r"[^\s/]{1,15}", value) or value in (".", ".."):
        raise ValueError("an interface is a name such as eth0")
    return value


def _url(value: str) -> str:
    if value and not re.fullmatch(r"https?://[^\s]+", value):
        raise ValueError("wanted http://… or https://…")
    return value


def _authority_name(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9-]{1,40}", value):
        raise ValueError("a name of small letters, digits and hyphens: it is part of file names")
    return value


def _witness_key(value: str) -> str:
    """Let through the verifier key of a witness (C2SP tlog-cosignature, Ed25519)."""
    name, key_id, encoded = (*value.split("+", 2), "", "")[:3]
    try:
        key = base64.b64decode(encoded, validate=True)
    except ValueError:
        key = b""
    if len(key) != 33 or key[0] != _COSIGNATURE:
        raise ValueError("wanted NAME+ID+KEY of a witness, as prathu hub key shows it")
    if hashlib.sha256(f"{name}\n".encode() + key).hexdigest()[:8] != key_id:
        raise ValueError("a character of the key is wrong: its id does not fit")
    return value


def _kept_days(value: int) -> int:
    if value < LEAST_DAYS:
        raise ValueError(f"the Computer Crime Act, section 26, asks for {LEAST_DAYS} days at least")
    return value


def _recovery_key(value: str) -> str:
    if value:
        import pyrage  # only where it is set: every process of the box reads settings

        try:
            pyrage.x25519.Recipient.from_str(value)
        except pyrage.RecipientError as error:
            told = "a recovery key is what prathu keys recovery prints: age1…"
            raise ValueError(told) from error
    return value


SiteId = Annotated[str, AfterValidator(_site_id)]
Network = Annotated[str, AfterValidator(_network)]
MaybeNetwork = Annotated[str, AfterValidator(_maybe_network)]
HostPort = Annotated[str, AfterValidator(_host_port)]
Address = Annotated[str, AfterValidator(_address)]
Router = Annotated[str, AfterValidator(_router)]
Interface = Annotated[str, AfterValidator(_interface)]
Url = Annotated[str, AfterValidator(_url)]
SomeUrl = Annotated[str, Field(min_length=1), AfterValidator(_url)]
AuthorityName = Annotated[str, AfterValidator(_authority_name)]
WitnessKey = Annotated[str, AfterValidator(_witness_key)]
RecoveryKey = Annotated[str, AfterValidator(_recovery_key)]
Reason = Annotated[str, AfterValidator(str.strip)]
KeptDays = Annotated[int, Field(le=36_500), AfterValidator(_kept_days)]
