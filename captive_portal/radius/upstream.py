"""Asking somebody else's RADIUS server about a password: PAP, or MSCHAPv2 (RFC 2759, RFC 2548)."""

from __future__ import annotations

import hmac
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

from captive_portal.people import names
from captive_portal.people.nt_hashes import nt_hash
from captive_portal.radius import asked, mschap, wire
from captive_portal.radius.client import Servers
from captive_portal.radius.wire import Attribute, Reply
from captive_portal.settings import RadiusUpstream, files

_USER_NAME, _USER_PASSWORD, _SERVICE_TYPE, _FRAMED_IP = 1, 2, 6, 8
_FILTER_ID, _CLASS, _CALLING_STATION, _NAS_PORT_TYPE, _FRAMED_IPV6 = 11, 25, 31, 61, 168
_CHARGEABLE_USER = 89
_LOGIN, _WIRELESS = 1, 19
_MICROSOFT = 311
_MS_ERROR, _MS_CHALLENGE, _MS_RESPONSE, _MS_SUCCESS = 2, 11, 25, 26
# RFC 2759 section 6: what MS-CHAP-Error says.
_MS_REASONS = {
    "646": "outside its hours",
    "647": "disabled",
    "648": "password expired",
    "649": "may not sign in",
    "691": "wrong password or unknown",
    "709": "password must be changed",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What a server said of somebody."""

    accepted: bool
    reason: str = ""
    account: str = ""
    outside_id: str = ""
    groups: tuple[str, ...] = ()
    limits: Mapping[str, int] = field(default_factory=dict)


class Upstream:
    """The servers of one section of the settings that check passwords."""

    def __init__(self, settings: RadiusUpstream, secret: bytes) -> None:
        self._secret = secret
        self._mschap = settings.method == "mschapv2"
        self._servers = Servers(
            settings.servers,
            secret,
            nas_identifier=settings.nas_identifier,
            legacy=settings.legacy,
        )

    def close(self) -> None:
        """Close its ports."""
        self._servers.close()

    def standing(self) -> Mapping[str, object]:
        """Return which servers are mute, and what was not believed."""
        return {"down": self._servers.down(), "packets": dict(self._servers.counts)}

    async def ask(self, account: str, password: str, *, mac: str, address: str) -> Heard:
        """Return what the first server that answers says. Raises Mute: none does."""
        about = [(_USER_NAME, account.encode()), *_where(mac, address)]
        if self._mschap:
            return await self._ask_mschap(account, password, about)

        def asking(authenticator: bytes) -> Sequence[Attribute]:
            told = wire.hidden(password.encode(), authenticator, self._secret)
            return [*about, (_USER_PASSWORD, told)]

        reply = await self._servers.ask(wire.ACCESS_REQUEST, asking)
        return _heard(reply, proved=True)

    async def _ask_mschap(self, account: str, password: str, about: list[Attribute]) -> Heard:
        known, ident = nt_hash(password), os.urandom(1)
        peer, server = os.urandom(16), os.urandom(16)
        user = account.rpartition("\\")[2].encode()
        told = mschap.response(mschap.challenge_hash(peer, server, user), known)
        response = ident + bytes(1) + peer + bytes(8) + told
        attributes = [
            *about,
            _vendor(_MS_CHALLENGE, server),
            _vendor(_MS_RESPONSE, response),
        ]
        reply = await self._servers.ask(wire.ACCESS_REQUEST, lambda _: attributes)
        proof = mschap.success(known, peer=peer, server=server, user=user, told=told)
        given = reply.vendor(_MICROSOFT, _MS_SUCCESS) or b""
        return _heard(reply, proved=hmac.compare_digest(given[1:43], proof.encode()))


def upstream(home: Path, settings: RadiusUpstream) -> Upstream:
    """Return the servers of a section. Raises PortalError, as `secret_of`."""
    return Upstream(settings, secret_of(home, settings))


def secret_of(home: Path, settings: RadiusUpstream) -> bytes:
    """Return the shared secret of a section.

    Raises:
        PortalError: it cannot be read, or is too short.
    """
    whose = f"radius_upstream {settings.id}: the secret"
    return files.shared_secret(home / settings.secret_file, whose)


def _heard(reply: Reply, *, proved: bool) -> Heard:
    if reply.code == wire.ACCESS_CHALLENGE:
        return Heard(accepted=False, reason="asks for more than a password")
    if reply.code != wire.ACCESS_ACCEPT:
        return Heard(accepted=False, reason=_reason(reply))
    if not proved:
        # Whoever says yes without knowing the password is not the server.
        return Heard(accepted=False, reason="accepted without proof")
    owns = reply.all(_CHARGEABLE_USER)
    named = reply.all(_USER_NAME)
    groups = [*reply.all(_CLASS), *reply.all(_FILTER_ID)]
    return Heard(
        accepted=True,
        account=_text(named[0]) if named else "",
        outside_id=_text(owns[0]) if owns else "",
        groups=tuple(_text(one) for one in groups),
        limits=asked.granted(reply.attributes),
    )


def _reason(reply: Reply) -> str:
    told = reply.vendor(_MICROSOFT, _MS_ERROR) or b""
    fields = _text(told[1:]).split()
    code = next((field[2:] for field in fields if field.startswith("E=")), "")
    return _MS_REASONS.get(code, "refused")


def _text(value: bytes) -> str:
    """Return what a server says, or nothing where it is no text."""
    try:
        text = value.decode("utf-8").strip("\0 ")
    except UnicodeDecodeError:
        return ""
    return text if text.isprintable() else ""


def _vendor(kind: int, value: bytes) -> Attribute:
    inner = bytes((kind, len(value) + 2)) + value
    return wire.VENDOR_SPECIFIC, _MICROSOFT.to_bytes(4, "big") + inner


def _where(mac: str, address: str) -> list[Attribute]:
    found: list[Attribute] = [
        (_SERVICE_TYPE, _LOGIN.to_bytes(4, "big")),
        (_NAS_PORT_TYPE, _WIRELESS.to_bytes(4, "big")),
    ]
    if told := names.mac(mac):
        found.append((_CALLING_STATION, told.upper().replace(":", "-").encode()))
    if address:
        host = ip_address(address)
        found.append((_FRAMED_IP if host.version == 4 else _FRAMED_IPV6, host.packed))
    return found
