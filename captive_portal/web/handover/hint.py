"""What a gateway's redirect says of a device: read once, bounded, and not yet believed."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, Self
from urllib.parse import parse_qsl

from captive_portal.errors import PortalError
from captive_portal.people import names
from captive_portal.settings import NasKind

MOST_QUERY, MOST_FIELDS, MOST_VALUE = 2048, 40, 512
"""Characters of a query and of a value in it; gateways need some hundred."""
_URL = re.compile(
    r"(https?)://(\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9.-]{1,253})(?::([0-9]{1,5}))?(?:[/?#].*)?",
    re.IGNORECASE,
)
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9.-]{1,253})(?::([0-9]{1,5}))?")
_DEFAULT_PORTS = {"http": 80, "https": 443}


class Forged(PortalError):
    """Parameters that no gateway of the settings sends; the message is a word for the counts."""


class Target(NamedTuple):
    """Where a gateway takes its form. The path is never the device's word."""

    scheme: str
    host: str
    """Lower case; an IPv6 address without brackets."""
    port: int

    @property
    def origin(self) -> str:
        """The beginning of its addresses."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        usual = self.port == _DEFAULT_PORTS[self.scheme]
        return f"{self.scheme}://{host}" + ("" if usual else f":{self.port}")


class Query:
    """The parameters of a visit."""

    def __init__(self, values: dict[str, str]) -> None:
        self._values = values

    @classmethod
    def parse(cls, raw: str) -> Self:
        """Return the parameters of a query string as it came.

        Octets stay octets: a CHAP challenge is no text.

        Raises:
            Forged: too long, or a parameter stands there twice with two values.
        """
        if len(raw) > MOST_QUERY:
            raise Forged("long")
        try:
            pairs = parse_qsl(
                raw, keep_blank_values=True, max_num_fields=MOST_FIELDS, encoding="latin-1"
            )
        except ValueError:
            raise Forged("many") from None
        values: dict[str, str] = {}
        for name, value in pairs:
            if name == "lang":
                continue
            if len(value) > MOST_VALUE:
                raise Forged("long")
            if values.setdefault(name, value) != value:
                raise Forged("twice")
        return cls(values)

    def has(self, *wanted: str) -> bool:
        """Say whether all of these parameters are there."""
        return all(name in self._values for name in wanted)

    def octets(self, name: str) -> bytes:
        """Return a value as octets."""
        return self._values.get(name, "").encode("latin-1", "replace")

    def text(self, name: str) -> str:
        """Return a value as text; empty when it is not there.

        Raises:
            Forged: it holds a control character.
        """
        value = self.octets(name).decode("utf-8", "replace").strip()
        if any(ord(letter) < 32 or ord(letter) == 127 for letter in value):
            raise Forged("control")
        return value

    def mac(self, *wanted: str) -> str:
        """Return the first of these that is there as a MAC.

        Raises:
            Forged: none is there, or it is no MAC.
        """
        value = next((self.text(name) for name in wanted if name in self._values), "")
        found = names.mac(value) if len(value) <= 17 else ""
        if not found:
            raise Forged("no-mac")
        return found

    def address(self, *wanted: str) -> str:
        """Return the first of these that is there as an address, canonical; empty: none is.

        Raises:
            Forged: it is no address.
        """
        value = next((self.text(name) for name in wanted if self._values.get(name)), "")
        if not value:
            return ""
        try:
            return str(ipaddress.ip_address(value))
        except ValueError:
            raise Forged("no-address") from None

    def url(self, name: str) -> Target:
        """Return where an http or https address leads; its path is left out.

        Raises:
            Forged: it is none, or names a user.
        """
        found = _URL.fullmatch(self.text(name))
        if found is None:
            raise Forged("no-url")
        return target(found[1].lower(), found[2], found[3])

    def host(self, name: str, scheme: str, port: int) -> Target:
        """Return a host, perhaps with its port, as where to go.

        Raises:
            Forged: it is none.
        """
        found = _HOST.fullmatch(self.text(name))
        if found is None:
            raise Forged("no-host")
        return target(scheme, found[1], found[2] or str(port))


def target(scheme: str, host: str, port: str | None) -> Target:
    """Return a target, its host as it is compared.

    Raises:
        Forged: there is no such host or port.
    """
    number = int(port) if port else _DEFAULT_PORTS[scheme]
    if not 0 < number < 65536:
        raise Forged("no-port")
    return Target(scheme, canonical_host(host), number)


def canonical_host(host: str) -> str:
    """Return a name in lower case, or an address in the form in which two of it are the same.

    Raises:
        Forged: brackets with no address in them.
    """
    bare = host.strip("[]")
    try:
        return str(ipaddress.ip_address(bare))
    except ValueError:
        if bare != host or ":" in host:
            raise Forged("no-host") from None
        return host.lower().rstrip(".")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hint:
    """What the redirect says. Nothing of it is believed yet."""

    mac: str
    """The device's, lower case with colons."""
    ip: str = ""
    ssid: str = ""
    target: Target | None = None
    """Where the form goes; None: where the settings say."""
    extra: dict[str, str] = field(default_factory=dict)
    """What the gateway wants to have back, as it came."""
    refused: bool = False
    """The gateway says that it did not let the device in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What goes into a form."""

    user: str
    password: str = field(repr=False)
    """The one-time one."""
    back: str
    """Our own page, to come back to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """A form that the person's browser sends to the gateway by a button."""

    action: str
    fields: tuple[tuple[str, str], ...] = field(repr=False)
    method: str = "post"


class Vendor(Protocol):
    """How the gateways of a maker send devices here."""

    word: str
    """In our addresses: `/portal/<word>`."""
    kind: NasKind

    def read(self, query: Query) -> Hint | None:
        """Return what a redirect says; None: it is not one of this maker's.

        Raises:
            Forged: it is, and cannot be right.
        """
        ...


class PostVendor(Vendor, Protocol):
    """A maker whose gateways take a form from the person's browser, and then ask our RADIUS."""

    trusts_form: bool
    """The gateway lets in the device that the form names, not the one that sends it."""

    @property
    def ports(self) -> Collection[int]:
        """Where gateways of this maker listen, if the settings name no other."""
        ...

    def form(self, hint: Hint, where: Target, given: Given) -> Form:
        """Return the form that lets the device in."""
        ...
