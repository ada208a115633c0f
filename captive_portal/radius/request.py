"""From the attributes of a verified Accounting-Request to what the sessions understand."""

from __future__ import annotations

import hashlib
import ipaddress
import re
import unicodedata
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from captive_portal.people import names
from captive_portal.radius import ticket
from captive_portal.radius.clients import Client, Network, parse_address
from captive_portal.radius.guard import Discard
from captive_portal.radius.received import HEADER, Received, number_of
from captive_portal.radius.ticket import Ticket
from captive_portal.sessions.accounting import METHOD, METHOD_802_1X, Accounting
from captive_portal.sessions.session import Counters, Ids, Nas

_STATUS = {1: "start", 2: "stop", 3: "update", 7: "on", 8: "off"}
"""Acct-Status-Type (RFC 2866 5.1)."""
CLOCK_SLACK = timedelta(minutes=5)
"""A NAS's clock is believed so far off ours."""
OLDEST = timedelta(hours=24)
"""A packet may have waited so long in the NAS before it came."""
_LONGEST_DELAY_S = 7 * 86400
_LONGEST_SESSION_S = 3650 * 86400
"""A session that began before the NAS was made has a counter that ran below zero."""
_MOST_OCTETS = 1 << 63
_CLASS = 25
# What a retransmission changes, and what proxies and signatures add.
_CHANGING = {41, 80, 33}
# Event-Timestamp and Acct-Session-Time: either tells two updates of a session apart.
_TELLING_APART = {55, 46}
# RFC 3580 3.20: Called-Station-Id is MAC:SSID.
_MAC_AND_SSID = re.compile(r"(?:[0-9A-Fa-f]{2}[-:.]?){5}[0-9A-Fa-f]{2}:(.+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """A packet as the sessions take it, and what was odd about it."""

    accounting: Accounting
    faults: tuple[str, ...] = ()


def read(
    request: Received,
    *,
    source: str,
    client: Client,
    received: datetime,
    ids: Ids,
) -> Heard:
    """Return what a verified packet says.

    Args:
        request: The packet.
        source: The address it came from.
        client: Whose secret it was made with.
        received: When it came.
        ids: Makes the event's id.

    Raises:
        Discard: no or an unknown Acct-Status-Type.
    """
    values = Values(request)
    status = _STATUS.get(values.number("Acct-Status-Type") or 0)
    if status is None:
        raise Discard("no-status-type")
    time = _time(values, received)
    session_id = values.text("Acct-Session-Id")
    if status not in ("on", "off") and not session_id:
        values.faults.append("no-session-id")
    calling, called = values.text("Calling-Station-Id"), values.text("Called-Station-Id")
    granted = _granted(request, client.site, ids)
    accounting = Accounting(
        event_id=ids.make("radius", client.site, source, _fingerprint(request, status)),
        status=status,
        time=time,
        site=client.site,
        nas=nas(values, source, client),
        account=names.clean(values.text("User-Name")),
        acct_session_id=session_id,
        calling_station=calling,
        called_station=called,
        mac=names.mac(calling),
        ssid=ssid(values, called),
        nas_port=values.text("NAS-Port-Id") or str(values.number("NAS-Port") or ""),
        addresses=_addresses(values),
        method=_method(values),
        longest=_session_timeout(values),
        counters=_counters(values),
        cause=values.text("Acct-Terminate-Cause") if status == "stop" else "",
        granted=granted.session if granted else None,
        person=granted.person if granted else None,
        signed=granted.terms if granted else "",
        notice=granted.notice if granted else "",
    )
    return Heard(accounting=accounting, faults=tuple(values.faults))


def _granted(request: Received, site: str, ids: Ids) -> Ticket | None:
    """Return what the Class that our Access-Accept gave along says; others' Classes say nothing."""
    read = (ticket.read(octets, site, ids) for octets in request.get(_CLASS) or ())
    return next((one for one in read if one is not None), None)


def nas(values: Values, source: str, client: Client) -> Nas:
    """Return who sent a packet, by what it says of itself and by where it came from."""
    address = values.text("NAS-IP-Address") or values.text("NAS-IPv6-Address")
    return _nas(values.text("NAS-Identifier"), address, source, client.network)


@lru_cache(maxsize=4096)
def _nas(identifier: str, address: str, source: str, network: Network) -> Nas:
    return Nas(identifier=identifier, address=address, source=source, client=str(network))


class Values:
    """Reads attributes by name; one that cannot be read is a fault, not an error."""

    def __init__(self, request: Received) -> None:
        self._request = request
        self.faults: list[str] = []

    def all(self, name: str) -> list[Any]:
        """Return the values of an attribute: of the dictionary's type, those that can be read."""
        try:
            return self._request.all(name)
        except Exception:  # noqa: BLE001  # pyrad raises what it meets on a value of wrong length
            self.faults.append(f"unreadable-{name}")
            return []

    def number(self, name: str) -> int | None:
        """Return an integer attribute; a named value gives its number."""
        octets = self._request.get(number_of(name))
        if not octets:
            return None
        if len(octets[0]) != 4:
            self.faults.append(f"unreadable-{name}")
            return None
        return int.from_bytes(octets[0], "big")

    def text(self, name: str) -> str:
        """Return an attribute as text; what cannot be printed becomes the replacement sign."""
        told = self.all(name)
        if not told:
            return ""
        value = told[0]
        if isinstance(value, bytes):
            value = decoded(value)
        return _printable(str(value))


def decoded(octets: bytes) -> str:
    """Return text of a NAS that does not speak UTF-8: Thai ones then speak TIS-620."""
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError:
        try:
            return octets.decode("cp874")
        except UnicodeDecodeError:
            return octets.decode("latin-1")


def _printable(text: str) -> str:
    if text.isascii() and text.isprintable():
        return text.strip()
    text = unicodedata.normalize("NFC", text)
    return "".join("\ufffd" if _control(letter) else letter for letter in text).strip()


def _control(letter: str) -> bool:
    return unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp")


def _time(values: Values, received: datetime) -> datetime:
    """Return when it happened.

    Acct-Delay-Time needs no clock on the NAS, so it goes before Event-Timestamp when the two
    disagree. Without it a stamp of the last day is believed: some NASes keep packets and send
    them unchanged when the box is back.
    """
    delay = values.number("Acct-Delay-Time")
    sent = received - timedelta(seconds=min(delay or 0, _LONGEST_DELAY_S))
    stamp = values.number("Event-Timestamp")
    if stamp is None:
        return sent
    stamped = datetime.fromtimestamp(stamp, UTC)
    if abs(stamped - sent) <= CLOCK_SLACK:
        return min(stamped, received)
    if delay is None and received - OLDEST <= stamped <= received:
        return stamped
    values.faults.append("clock-off")
    return sent


def _counters(values: Values) -> Counters:
    return Counters(
        bytes_in=_wide(values, "Acct-Input-Octets", "Acct-Input-Gigawords"),
        bytes_out=_wide(values, "Acct-Output-Octets", "Acct-Output-Gigawords"),
        packets_in=values.number("Acct-Input-Packets"),
        packets_out=values.number("Acct-Output-Packets"),
        duration_s=_lasted(values),
    )


def _lasted(values: Values) -> int | None:
    seconds = values.number("Acct-Session-Time")
    if seconds is not None and seconds > _LONGEST_SESSION_S:
        values.faults.append("absurd-Acct-Session-Time")
        return None
    return seconds


def _wide(values: Values, low: str, high: str) -> int | None:
    """Return a counter of 64 bits: Gigawords count its wraps (RFC 2869 5.1)."""
    octets = values.number(low)
    if octets is None:
        return None
    counted = octets + ((values.number(high) or 0) << 32)
    if counted >= _MOST_OCTETS:
        values.faults.append(f"absurd-{high}")
        return None
    return counted


def _addresses(values: Values) -> tuple[str, ...]:
    """Return the addresses and prefixes that the user has, in canonical text, each once.

    On a radio cell or a switch, Framed-IPv6-Prefix is the prefix of the link (RFC 3162 2.3), which
    all who are there share: it is nobody's, and counted when there is no other IPv6 address.
    """
    found: dict[str, None] = {}
    shared = values.number("NAS-Port-Type") in _SHARED_LINKS
    wide = False
    for name in ("Framed-IP-Address", "Framed-IPv6-Address", *_PREFIXES):
        for told in values.all(name):
            address = _address(values, name, str(told))
            if address is None or address in _NO_ADDRESS:
                continue
            if shared and name == _LINK_PREFIX and "/" in address:
                wide = True
            else:
                found[address] = None
    if wide and not any(":" in address for address in found):
        values.faults.append("prefix-without-address")
    return tuple(found)


_LINK_PREFIX = "Framed-IPv6-Prefix"
_PREFIXES = (_LINK_PREFIX, "Delegated-IPv6-Prefix")
# NAS-Port-Type (RFC 2865 5.41): Ethernet and 802.11.
_SHARED_LINKS = (15, 19)
# No provider delegates more than this to one user: a wider one is a mistake.
_WIDEST = 32
# RFC 2865 5.8: "the user chooses" and "the NAS chooses" are no addresses.
_NO_ADDRESS = {"255.255.255.255", "255.255.255.254", "0.0.0.0", "::"}  # noqa: S104  # as above


def _address(values: Values, name: str, told: str) -> str | None:
    if ":" not in told:
        return told  # four octets as text
    try:
        network = ipaddress.ip_network(told, strict=False)
    except ValueError:
        values.faults.append(f"unreadable-{name}")
        return None
    if network.prefixlen == network.max_prefixlen:
        return str(parse_address(str(network.network_address)))
    if network.prefixlen < _WIDEST:
        values.faults.append(f"too-wide-{name}")
        return None
    return str(network)


def _method(values: Values) -> str:
    """Return how the NAS knows the user, where the packet itself proves that it was by 802.1X.

    EAP-Key-Name names a key that EAP made (RFC 4072); WLAN-AKM-Suite is the key management of the
    radio link (RFC 7268 2.15), 802.1X or its kin with another hash or over the air.
    """
    by_key = any(values.all("EAP-Key-Name"))
    if by_key or values.number("WLAN-AKM-Suite") in _AKM_802_1X:
        return METHOD_802_1X
    return METHOD


# IEEE 802.11: 1 802.1X, 3 with fast transition, 5 with SHA-256, 11 to 13 of Suite B.
_AKM_802_1X = {0x000FAC00 | suite for suite in (1, 3, 5, 11, 12, 13)}


def _session_timeout(values: Values) -> timedelta | None:
    """Return how long the NAS lets the session last at most (RFC 2866 5.13); 0 is no limit."""
    seconds = values.number("Session-Timeout")
    if not seconds or seconds > _LONGEST_SESSION_S:
        return None
    return timedelta(seconds=seconds)


def ssid(values: Values, called: str) -> str:
    """Return the network's name: the vendor's word, else what follows the MAC (RFC 3580 3.20)."""
    vendors = values.text("Ruckus-SSID") or values.text("Aruba-Essid-Name")
    found = _MAC_AND_SSID.fullmatch(called) if called else None
    return vendors or (found[1] if found else "")


def _fingerprint(request: Received, status: str) -> str:
    """Return what stays the same when a NAS sends a packet again.

    RFC 2866 5.2: a retransmission counts Acct-Delay-Time up, and so gets another id and another
    authenticator. A session has one start and one stop; when nothing else in the packet tells two
    updates apart, its id does.
    """
    octets, at, seen, kept = request.whole, HEADER, set(), []
    while at < len(octets):
        kind, after = octets[at], at + octets[at + 1]
        seen.add(kind)
        if kind not in _CHANGING:
            kept.append(octets[at:after])
        at = after
    if status == "update" and not seen & _TELLING_APART:
        kept.append(octets[1:2])
    return hashlib.sha256(b"".join(kept)).hexdigest()
