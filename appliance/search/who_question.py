"""The words of the question who was behind an address, and how they are read."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import UTC

from appliance.errors import WrongUse
from appliance.search import addresses, times
from collector.decode.protocols import NUMBERS


@dataclass(frozen=True, slots=True, kw_only=True)
class WhoQuestion:
    """Address, time and what narrows them."""

    address: addresses.Address
    port: int | None = None
    readings: tuple[tuple[int, str], ...] = ()
    """The instants meant, µs, each with the offset it was read in; a time without offset has
    two."""
    other: addresses.Address | None = None
    other_port: int | None = None
    within_us: int = 5 * times.MINUTE
    site: str | None = None
    proto: int | None = None

    @property
    def sites(self) -> list[str] | None:
        """The sites that are meant; None: all."""
        return [self.site] if self.site else None

    def window(self, at_us: int) -> tuple[int, int]:
        """Return from when until before when around an instant, µs."""
        return max(0, at_us - self.within_us), at_us + self.within_us + 1

    @property
    def text(self) -> str:
        """The question in canonical words, for the audit log."""
        parts = [f"who {_pair(self.address, self.port)}"]
        parts += [f"--at {times.rfc3339(at)}" for at, _ in self.readings]
        if self.other is not None:
            parts.append(f"--dst {_pair(self.other, self.other_port)}")
        parts.append(f"--within {self.within_us // times.SECOND}s")
        parts += [f"--site {self.site}"] if self.site else []
        parts += [f"--proto {self.proto}"] if self.proto is not None else []
        return " ".join(parts)


def parse(  # noqa: PLR0913  # the words of one command
    address: str,
    *,
    at: str = "",
    dst: str = "",
    within: str = "5m",
    site: str | None = None,
    proto: str = "",
    now_us: int,
) -> WhoQuestion:
    """Return the question that the words of the command line or a form ask.

    Raises:
        WrongUse: a word that is no address, time, length or protocol; a time still to come.
    """
    asked, port = _endpoint(address)
    other, other_port = _endpoint(dst) if dst else (None, None)
    return WhoQuestion(
        address=asked,
        port=port,
        readings=_readings(at, now_us),
        other=other,
        other_port=other_port,
        within_us=times.duration_us(within),
        site=site or None,
        proto=_protocol(proto),
    )


def _readings(at: str, now_us: int) -> tuple[tuple[int, str], ...]:
    if not at:
        return ((now_us, "now"),)
    bangkok = times.parse(at, now_us)
    if bangkok.us > now_us:
        now = times.rfc3339(now_us)
        raise WrongUse(f"{at!r} is still to come: it is {now} now, and the logs tell of the past")
    if bangkok.offset_given:
        return ((bangkok.us, "as given"),)
    utc = times.parse(at, now_us, zone=UTC)
    return ((bangkok.us, "+07:00"), (utc.us, "UTC"))


def _endpoint(text: str) -> tuple[addresses.Address, int | None]:
    """Return address and port of `A`, `A:PORT` or `[A]:PORT`."""
    whole = text.strip()
    host, port = whole, ""
    if whole.startswith("["):
        host, _, port = whole[1:].partition("]")
        port = port.removeprefix(":")
    elif whole.count(":") == 1:
        host, _, port = whole.partition(":")
    try:
        address = ipaddress.ip_address(host)
    except ValueError as error:
        hint = "wanted for instance 198.51.100.7:40211 or [2001:db8::7]:443"
        raise WrongUse(f"{text!r} is no address; {hint}") from error
    if not port:
        return address, None
    if not port.isdecimal() or int(port) > 65535:
        raise WrongUse(f"{port!r} is no port; a port is 0 to 65535")
    return address, int(port)


def _protocol(text: str) -> int | None:
    if not text:
        return None
    number = NUMBERS.get(text.lower())
    if number is None and (not text.isdecimal() or int(text) > 255):
        raise WrongUse(f"{text!r} is no protocol; wanted tcp, udp, icmp or a number to 255")
    return int(text) if number is None else number


def _pair(address: addresses.Address, port: int | None) -> str:
    shown = addresses.text(address)
    if port is None:
        return shown
    return f"[{shown}]:{port}" if address.version == 6 else f"{shown}:{port}"
