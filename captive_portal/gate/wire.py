"""What portal and privileged process say to each other: a line of JSON each way.

A request is `{"id": 1, "do": "apply", …}`, its reply `{"id": 1, "ok": true, …}` or
`{"id": 1, "ok": false, "error": "…"}`; replies come in any order. Everything that arrives is
checked here, and only here: what comes out has the right types, within the right bounds.
"""

from __future__ import annotations

import contextlib
import gc
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from socket import AF_INET, AF_INET6, inet_ntop, inet_pton
from typing import Any

from captive_portal.errors import GateError
from captive_portal.sessions.passes import Pass, Passed

SOCKET = Path("run") / "privileged.sock"
"""Under the home."""
MAX_LINE = 32 << 20
MOST_PASSES = 100_000
MOST_ADDRESSES = 64
"""Of one pass: phones change IPv6 addresses each day, and keep the old ones for a while."""
MOST_ASKED = 256
"""Devices that are asked at once whether they are there."""
MOST_SERIAL = (1 << 24) - 1
MOST_KBIT = 10_000_000
_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")
_ZONE = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_NO_DEVICE = {4: frozenset([0, 127, *range(224, 256)]), 16: frozenset([0xFF])}
"""First octets of loopback, multicast and what is no address at all, by length."""
_LOOPBACK6 = bytes(15) + b"\1"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST_US = 1 << 52


def line(message: Mapping[str, Any]) -> bytes:
    """Return a message as it travels."""
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"


def parse(text: bytes) -> dict[str, Any]:
    """Return the message in a line.

    Raises:
        GateError: it is none.
    """
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        raise GateError("a line that is no JSON") from None
    if not isinstance(message, dict):
        raise GateError("a line that is no message")
    return message


def told(each: Pass) -> list[Any]:
    """Return a pass as it travels: a list, for there may be 20,000."""
    until = None if each.until is None else (each.until - _EPOCH) // timedelta(microseconds=1)
    return [
        each.serial,
        each.zone,
        each.mac.lower(),
        list(each.addresses),
        each.up_kbit,
        each.down_kbit,
        until,
    ]


def passes(said: object) -> list[Pass]:
    """Return the passes in a request.

    Raises:
        GateError: one is not right, and why; or a serial stands there twice.
    """
    if not isinstance(said, list) or len(said) > MOST_PASSES:
        raise GateError(f"passes are a list of at most {MOST_PASSES}")
    read = [_pass(each) for each in said]
    if len({each.serial for each in read}) != len(read):
        raise GateError("a serial stands twice in one list of passes")
    return read


def _pass(said: object) -> Pass:
    if not isinstance(said, list) or len(said) != 7:
        raise GateError("a pass has seven parts")
    serial, zone, mac, addresses, up, down, until = said
    if not isinstance(zone, str) or (zone and not _ZONE.fullmatch(zone)):
        raise GateError("the zone of a pass is no id of a zone")
    return Pass(
        serial=_number(serial, "serial", 1, MOST_SERIAL),
        zone=zone,
        mac=mac_of(mac),
        addresses=_addresses(addresses),
        up_kbit=None if up is None else _number(up, "speed up", 1, MOST_KBIT),
        down_kbit=None if down is None else _number(down, "speed down", 1, MOST_KBIT),
        until=_moment(until),
    )


def mac_of(said: object) -> str:
    """Return a MAC in a request, in lower case with colons.

    Raises:
        GateError: it is none.
    """
    if not isinstance(said, str) or not _MAC.fullmatch(said):
        raise GateError(f"a MAC that is none: {str(said)[:40]!r}")
    return said


def pairs(said: object) -> list[tuple[str, str]]:
    """Return the addresses and MACs of devices in a request.

    Raises:
        GateError: they are not such.
    """
    if not isinstance(said, list) or len(said) > MOST_ASKED:
        raise GateError(f"devices are a list of at most {MOST_ASKED}")
    if not all(isinstance(each, list) and len(each) == 2 for each in said):
        raise GateError("a device is an address and a MAC")
    return [(_address(address), mac_of(mac)) for address, mac in said]


def _number(said: object, what: str, least: int, most: int) -> int:
    if type(said) is not int or not least <= said <= most:
        raise GateError(f"the {what} of a pass is not from {least} to {most}")
    return said


def _moment(said: object) -> datetime | None:
    if said is None:
        return None
    return _EPOCH + timedelta(microseconds=_number(said, "end", 0, _LATEST_US))


def _addresses(said: object) -> tuple[str, ...]:
    if not isinstance(said, list) or not 0 < len(said) <= MOST_ADDRESSES:
        raise GateError(f"a pass has 1 to {MOST_ADDRESSES} addresses")
    return tuple(dict.fromkeys(_address(each) for each in said))


def _address(said: object) -> str:
    """Return an address as the kernel writes it; `ipaddress` takes five times as long."""
    text = said if isinstance(said, str) else ""
    try:
        family = AF_INET6 if ":" in text else AF_INET
        raw = inet_pton(family, text)
    except (OSError, ValueError):
        raise GateError(f"an address of a pass is none: {str(said)[:60]!r}") from None
    if not any(raw) or raw[0] in _NO_DEVICE[len(raw)] or raw == _LOOPBACK6:
        raise GateError(f"{text} is no device's address")
    return inet_ntop(family, raw)


def serials(said: object) -> list[int] | None:
    """Return the serials in a request; None: it names none, and means all.

    Raises:
        GateError: they are not serials.
    """
    if said is None:
        return None
    if not isinstance(said, list) or len(said) > MOST_PASSES:
        raise GateError(f"serials are a list of at most {MOST_PASSES}")
    return list(dict.fromkeys(_number(each, "serial", 1, MOST_SERIAL) for each in said))


def counts(said: object) -> dict[int, Passed]:
    """Return the counts in a reply.

    Raises:
        GateError: they are not counts.
    """
    if not isinstance(said, list):
        raise GateError("a reply without counts")
    try:
        return {
            int(serial): Passed(
                bytes_in=int(bytes_in),
                bytes_out=int(bytes_out),
                packets_in=int(packets_in),
                packets_out=int(packets_out),
            )
            for serial, bytes_in, bytes_out, packets_in, packets_out in said
        }
    except (ValueError, TypeError, OverflowError):
        raise GateError("a reply with counts that are none") from None


def told_counts(counted: Mapping[int, Passed]) -> list[Sequence[int]]:
    """Return counts as they travel."""
    return [
        (serial, each.bytes_in, each.bytes_out, each.packets_in, each.packets_out)
        for serial, each in counted.items()
    ]


@contextlib.contextmanager
def no_collecting() -> Iterator[None]:
    """Let the garbage wait: it would be looked for ten times while 20,000 passes are made."""
    on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if on:
            gc.enable()
