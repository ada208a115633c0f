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
import pyarrow.compute as pc

from collector.decode.batch import Bytes, Mask

TEXT = pa.dictionary(pa.int32(), pa.string())

_DECIMAL = pa.array([str(octet) for octet in range(256)])
_HEX = pa.array([f"{octet:02x}" for octet in range(256)])
_MAPPED = b"\0" * 10 + b"\xff\xff"


def ipv4(
    values: npt.NDArray[np.unsignedinteger], valid: Mask | None
) -> pa.DictionaryArray[Any, Any]:
    """Return addresses given as 32-bit integers."""
    return _encode(pa.array(values.astype(np.uint32, copy=False)), valid, ipv4_words)


def ipv6(octets: Bytes, valid: Mask | None) -> pa.DictionaryArray[Any, Any]:
    """Return addresses given as (rows, 16) bytes."""
    return _encode(fixed(octets), valid, ipv6_words)


def mac(octets: Bytes, valid: Mask | None) -> pa.DictionaryArray[Any, Any]:
    """Return MAC addresses given as (rows, 6) bytes."""
    wide = np.zeros((len(octets), 8), np.uint8)
    wide[:, 2:] = octets
    return _encode(pa.array(wide.view(">u8").reshape(-1).astype(np.uint64)), valid, mac_words)


def text(values: pa.Array[Any], valid: Mask | None) -> pa.DictionaryArray[Any, Any]:
    """Return strings given as binary: without NULs at the end, wrong UTF-8 replaced."""
    return _encode(values, valid, text_words)


def one(word: str, rows: int) -> pa.DictionaryArray[Any, Any]:
    """Return the same word for every row."""
    return pa.DictionaryArray.from_arrays(np.zeros(rows, np.int32), pa.array([word]))


def some(codes: npt.NDArray[np.int32], words: list[str]) -> pa.DictionaryArray[Any, Any]:
    """Return `words[code]` for every row; null where the code is -1."""
    mask = codes < 0
    indices = pa.array(codes, mask=mask) if mask.any() else pa.array(codes)
    return pa.DictionaryArray.from_arrays(indices, pa.array(words, pa.string()))


def ipv4_words(distinct: pa.Array[Any]) -> pa.Array[Any]:
    """Format 32-bit integers."""
    values = distinct.to_numpy(zero_copy_only=False)
    octets = [_DECIMAL.take(pa.array((values >> shift & 255).astype(np.int32))) for shift in _DOTS]
    return pc.binary_join_element_wise(*octets, ".")


def ipv6_words(distinct: pa.Array[Any]) -> pa.Array[Any]:
    """Format binary values of 16 bytes."""
    return pa.array([ipv6_text(value) for value in distinct.to_pylist()], pa.string())


def ipv6_text(octets: bytes) -> str:
    """Return one address as RFC 5952 writes it."""
    if octets.startswith(_MAPPED):
        return f"::ffff:{ipaddress.IPv4Address(octets[12:])}"
    return str(ipaddress.IPv6Address(octets))


def mac_words(distinct: pa.Array[Any]) -> pa.Array[Any]:
    """Format 48-bit integers."""
    values = distinct.to_numpy(zero_copy_only=False)
    octets = [_HEX.take(pa.array((values >> shift & 255).astype(np.int32))) for shift in _COLONS]
    return pc.binary_join_element_wise(*octets, ":")


def text_words(distinct: pa.Array[Any]) -> pa.Array[Any]:
    """Decode binary values."""
    return pa.array([string(value) for value in distinct.to_pylist()], pa.string())


def string(octets: bytes) -> str:
    """Return one string: UTF-8, padded with NULs by many exporters."""
    return octets.rstrip(b"\0").decode("utf-8", "replace")


def fixed(octets: Bytes) -> pa.Array[Any]:
    """Return (rows, size) bytes as Arrow binary of fixed size."""
    rows, size = octets.shape
    data = pa.py_buffer(np.ascontiguousarray(octets))
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(size), rows, [None, data])


_DOTS = (24, 16, 8, 0)
_COLONS = (40, 32, 24, 16, 8, 0)


def _encode(
    values: pa.Array[Any], valid: Mask | None, words: Callable[[pa.Array[Any]], pa.Array[Any]]
) -> pa.DictionaryArray[Any, Any]:
    encoded = values.dictionary_encode()
    indices = encoded.indices
    if valid is not None and not valid.all():
        indices = pc.if_else(pa.array(valid), indices, pa.scalar(None, pa.int32()))
    return pa.DictionaryArray.from_arrays(indices, words(encoded.dictionary))
