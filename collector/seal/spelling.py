"""The one canonical text of addresses and ids, and the bytes that it stands for."""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import IPv6Address

_MAPPED = bytes(10) + b"\xff\xff"
"""What stands before an IPv4 address in an IPv6 one."""


@lru_cache(maxsize=1 << 16)
def ip_bytes(text: bytes) -> bytes:
    """Return family byte and 16 bytes of an address in its one canonical text.

    Raises:
        ValueError: not an address, or spelt another way.
    """
    try:
        if b":" not in text:
            packed = bytes(map(int, text.split(b".")))
            if len(packed) == 4 and b"%d.%d.%d.%d" % tuple(packed) == text:
                return b"\x04" + _MAPPED + packed
        elif b"%" not in text and _spelt(address := IPv6Address(text.decode("ascii")), text):
            return b"\x06" + address.packed
    except ValueError:
        pass
    raise ValueError(f"not an address in canonical text: {text!r}")


def ip6_text(address: IPv6Address) -> str:
    """Return the text of RFC 5952, IPv4-mapped with a dotted tail."""
    if address.packed.startswith(_MAPPED):
        return "::ffff:" + ".".join(map(str, address.packed[12:]))
    return address.compressed


def mac_bytes(text: bytes) -> bytes:
    """Return the 6 bytes of `aa:bb:cc:dd:ee:ff`.

    Raises:
        ValueError: spelt another way.
    """
    if not re.fullmatch(rb"[0-9a-f]{2}(:[0-9a-f]{2}){5}", text):
        raise ValueError(f"not a MAC address in canonical text: {text!r}")
    return bytes.fromhex(text.replace(b":", b"").decode())


def uuid_bytes(text: bytes) -> bytes:
    """Return the 16 bytes of a UUID, lower case with hyphens.

    Raises:
        ValueError: spelt another way.
    """
    if not re.fullmatch(rb"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}", text):
        raise ValueError(f"not a UUID in canonical text: {text!r}")
    return bytes.fromhex(text.replace(b"-", b"").decode())


def _spelt(address: IPv6Address, text: bytes) -> bool:
    return ip6_text(address).encode() == text
