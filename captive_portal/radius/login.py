"""From the attributes of a verified Access-Request to somebody's try to be let in."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field

from captive_portal.people import names
from captive_portal.radius import mschap, request
from captive_portal.radius.clients import Client
from captive_portal.radius.guard import EAP_MESSAGE, USER_PASSWORD, Discard
from captive_portal.radius.received import Key, Received
from captive_portal.sessions.session import Nas
from captive_portal.sign_in.way import Attempt

MOST_PASSWORD = 128
"""Octets of a hidden User-Password (RFC 2865 5.2)."""
_CHAP_PASSWORD, _CHAP_CHALLENGE = 3, 60
_MICROSOFT = 311
_MS_CHAP_RESPONSE, _MS_CHAP_CHALLENGE, _MS_CHAP2_RESPONSE = (
    (_MICROSOFT, 1),
    (_MICROSOFT, 11),
    (_MICROSOFT, 25),
)
WIRELESS = 19
"""NAS-Port-Type of Wi-Fi (RFC 2865 5.41)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pap:
    """A password as typed."""

    password: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chap:
    """A proof by CHAP (RFC 1994): of the clear password, or of nothing that we keep."""

    id: int
    challenge: bytes
    proof: bytes

    def proves(self, secret: bytes) -> bool:
        """Say whether it was made with this password."""
        made = hashlib.md5(bytes((self.id,)) + secret + self.challenge).digest()  # noqa: S324  # CHAP
        return hmac.compare_digest(made, self.proof)


@dataclass(frozen=True, slots=True, kw_only=True)
class MsChap2:
    """A proof by MSCHAPv2."""

    id: int
    server: bytes
    peer: bytes
    proof: bytes

    def success(self, nt_hash: bytes, user: bytes) -> bytes | None:
        """Return MS-CHAP2-Success when the proof is right; a domain before the name is no part."""
        for name in {user: 0, user.rpartition(b"\\")[2]: 0}:
            given = {"peer": self.peer, "server": self.server, "user": name, "told": self.proof}
            if mschap.proves(nt_hash, **given):
                return bytes((self.id,)) + mschap.success(nt_hash, **given).encode()
        return None


Credential = Pap | Chap | MsChap2 | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """Somebody's or some device's try."""

    site: str
    nas: Nas
    user: str
    user_octets: bytes
    """As sent: proofs are made with it."""
    credential: Credential
    refused: str = ""
    """A way to prove it that is not taken."""
    mac: str = ""
    """The device's, lower case with colons."""
    station: str = ""
    """Calling-Station-Id."""
    ssid: str = ""
    port_type: int | None = None
    eap: bool = False

    @property
    def device(self) -> str:
        """The MAC that the name is; empty for a person's name."""
        return names.mac(self.user) if len(self.user) <= 17 else ""

    @property
    def attempt(self) -> Attempt:
        """The same as the ways to sign in take it.

        Who is behind a NAS is slowed by device, else by name: not all for one.
        """
        credential = self.credential
        return Attempt(
            site=self.site,
            address=self.nas.source,
            account=self.user,
            password=credential.password if isinstance(credential, Pap) else "",
            mac=self.mac or f"{self.nas.source} {self.station or self.user}",
        )

    @property
    def wired(self) -> bool:
        """Whether the NAS says that it is no Wi-Fi."""
        return self.port_type not in (None, WIRELESS) and not self.ssid


def read(packet: Received, *, source: str, client: Client) -> Login:
    """Return what a verified Access-Request says.

    Args:
        packet: The request.
        source: The address it came from.
        client: Whose secret it was made with.

    Raises:
        Discard: a hidden password of a length that cannot be.
    """
    values = request.Values(packet)
    called, calling = values.text("Called-Station-Id"), values.text("Calling-Station-Id")
    credential, refused = _credential(packet, client.secret)
    return Login(
        site=client.site,
        nas=request.nas(values, source, client),
        user=names.clean(values.text("User-Name")),
        user_octets=first(packet, 1) or b"",
        credential=credential,
        refused=refused,
        mac=names.mac(calling),
        station=calling,
        ssid=request.ssid(values, called),
        port_type=values.number("NAS-Port-Type"),
        eap=bool(packet.get(EAP_MESSAGE)),
    )


def first(packet: Received, key: Key) -> bytes | None:
    """Return the first value of an attribute as it stands."""
    found = packet.get(key)
    return found[0] if found else None


def _credential(packet: Received, secret: bytes) -> tuple[Credential, str]:
    """Return the proof that came, or why none that came is taken."""
    hidden = first(packet, USER_PASSWORD)
    if hidden is not None:
        return Pap(password=request.decoded(shown(hidden, secret, packet.authenticator))), ""
    chap, told = first(packet, _CHAP_PASSWORD), first(packet, _MS_CHAP2_RESPONSE)
    if chap is not None:
        challenge = first(packet, _CHAP_CHALLENGE) or packet.authenticator
        if len(chap) != 17:
            return None, "chap-of-wrong-length"
        return Chap(id=chap[0], challenge=challenge, proof=chap[1:]), ""
    if told is not None:
        server = first(packet, _MS_CHAP_CHALLENGE) or b""
        if len(told) != 50 or len(server) != 16:
            return None, "mschap-of-wrong-length"
        return MsChap2(id=told[0], server=server, peer=told[2:18], proof=told[26:]), ""
    return None, "mschap-of-first-version" if packet.get(_MS_CHAP_RESPONSE) else ""


def shown(hidden: bytes, secret: bytes, authenticator: bytes) -> bytes:
    """Return a hidden User-Password (RFC 2865 5.2).

    Raises:
        Discard: no password is hidden in so many octets.
    """
    if not hidden or len(hidden) % 16 or len(hidden) > MOST_PASSWORD:
        raise Discard("bad-password-length")
    found, last = b"", authenticator
    for at in range(0, len(hidden), 16):
        block = hidden[at : at + 16]
        mask = hashlib.md5(secret + last).digest()  # noqa: S324  # as the RFC has it
        found += bytes(a ^ b for a, b in zip(block, mask, strict=True))
        last = block
    return found.rstrip(b"\0")
