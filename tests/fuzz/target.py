"""What a fuzz target is, and how one input holds several parts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

_HEAD = 3
MOST_PARTS = 24


@dataclass(frozen=True, slots=True)
class Target:
    """A decoder, and what must hold whatever comes."""

    name: str
    check: Callable[[bytes], None]
    """Raises for what must not be; errors that the decoder documents are no fault."""
    seeds: Callable[[], Iterable[bytes]]
    """Where to begin: good inputs of every kind."""
    longest: int = 4096
    seconds: int = 5
    """Within `make test`: less for what no stranger can send."""


class Part(NamedTuple):
    """A piece of an input."""

    mode: int
    """0 to 255, for the target to make of what it likes."""
    payload: bytes


def parts(data: bytes) -> Iterator[Part]:
    """Yield the pieces of an input: a mode, a length in two bytes, so many bytes."""
    at, count = 0, 0
    while at + _HEAD <= len(data) and count < MOST_PARTS:
        end = at + _HEAD + int.from_bytes(data[at + 1 : at + _HEAD])
        yield Part(data[at], data[at + _HEAD : end])
        at, count = end, count + 1


def whole(pieces: Iterable[Part]) -> bytes:
    """Return the input that has these pieces."""
    return b"".join(
        bytes([piece.mode]) + len(piece.payload).to_bytes(2) + piece.payload for piece in pieces
    )
