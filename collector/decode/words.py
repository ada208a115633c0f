"""Columns of text: codes for every row, and words made once for every distinct value.

Canonical text of addresses: IPv4 dotted, IPv6 after RFC 5952 with a dotted tail when it is
IPv4-mapped, MAC addresses in lower case with colons.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from collector.decode import arrow
from collector.decode.batch import Bytes, Mask

_DECIMAL = arrow.strings([str(octet) for octet in range(256)])
_HEX = arrow.strings([f"{octet:02x}" for octet in range(256)])
_DOTS = (24, 16, 8, 0)
_COLONS = (40, 32, 24, 16, 8, 0)
_MAPPED = b"\0" * 10 + b"\xff\xff"
LOST = "\ufffd"
"""Stands for bytes that are no UTF-8."""


def ipv4(values: npt.NDArray[np.integer[Any]], valid: Mask | None) -> pa.Array[Any]:
    """Return addresses given as 32-bit integers."""
    return _encode(arrow.ints(values.astype(np.uint32, copy=False)), valid, ipv4_words)


def ipv6(octets: Bytes, valid: Mask | None) -> pa.Array[Any]:
    """Return addresses given as (rows, 16) bytes."""
    return _encode(arrow.fixed(octets), valid, ipv6_words)


def mac(octets: Bytes, valid: Mask | None) -> pa.Array[Any]:
    """Return MAC addresses given as (rows, 6) bytes."""
    wide = np.zeros((len(octets), 8), np.uint8)
    wide[:, 2:] = octets
    return _encode(arrow.ints(wide.view(">u8").reshape(-1).astype(np.uint64)), valid, mac_words)


def text(values: pa.Array[Any], valid: Mask | None = None) -> pa.Array[Any]:
    """Return strings given as binary: without NULs at the end, wrong UTF-8 replaced."""
    return _encode(values, valid, text_words)


def some(codes: npt.NDArray[np.int32], words: list[str]) -> pa.Array[Any]:
    """Return `words[code]` for every row."""
    return arrow.coded(arrow.ints(codes), arrow.strings(words))


def ipv4_words(distinct: pa.Array[Any]) -> pa.Array[Any]:
    """Format 32-bit integers."""
    values = arrow.numpy(distinct)
    return arrow.join([arrow.take(_DECIMAL, values >> shift & 255) for shift in _DOTS], ".")


def mac_words(distinct: pa.Array[Any]) -> pa.Array[Any]:
    """Format 48-bit integers."""
    values = arrow.numpy(distinct)
    return arrow.join([arrow.take(_HEX, values >> shift & 255) for shift in _COLONS], ":")


def ipv6_words(distinct: pa.Array[Any]) -> pa.Array[Any]:
    """Format binary values of 16 bytes."""
    return arrow.strings([ipv6_text(value) for value in distinct.to_pylist() if value is not None])


def ipv6_text(octets: bytes) -> str:
    """Return one address as RFC 5952 writes it."""
    if octets.startswith(_MAPPED):
        return f"::ffff:{ipaddress.IPv4Address(octets[12:])}"
    return str(ipaddress.IPv6Address(octets))


def text_words(distinct: pa.Array[Any]) -> pa.Array[Any]:
    """Decode binary values."""
    return arrow.strings([string(value) for value in distinct.to_pylist() if value is not None])


def string(octets: bytes) -> str:
    """Return one string: UTF-8, padded with NULs by many exporters."""
    return octets.rstrip(b"\0").decode("utf-8", "replace")


def _encode(
    values: pa.Array[Any], valid: Mask | None, words: Callable[[pa.Array[Any]], pa.Array[Any]]
) -> pa.Array[Any]:
    codes, distinct = arrow.encode(values)
    if valid is not None and not valid.all():
        codes = arrow.where(valid, codes)
    return arrow.coded(codes, words(distinct))
