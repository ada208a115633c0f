"""Names of applications as an exporter's options told them: never changed, only followed by others.

Rows of earlier datagrams must not see names that come later, so each datagram that tells one leaves
the names before it as they are. A copy of all of them for every such datagram would be hundreds of
MiB for a flood: what is new stands in a small layer of its own until that is worth a copy.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from typing_extensions import override

LONGEST_NAME = 255
"""Characters that are kept."""
LONGEST_ID = 64
"""Bytes; ids are four to eight of them (RFC 6759 section 4)."""
_LAYER = 64


class AppNames(Mapping[bytes, str]):
    """Names by application id."""

    __slots__ = ("_base", "_layer")

    def __init__(
        self, base: Mapping[bytes, str] | None = None, layer: Mapping[bytes, str] | None = None
    ) -> None:
        self._base = base or {}
        self._layer = layer or {}

    @classmethod
    def of(cls, names: Mapping[bytes, str]) -> AppNames:
        """Return names as they are."""
        return names if isinstance(names, cls) else cls(names)

    def more(self, new: Mapping[bytes, str], most: int) -> AppNames:
        """Return these with others, unchanged where there would be more than `most`."""
        if len(self) + sum(number not in self for number in new) > most:
            return self
        if len(self._layer) + len(new) > _LAYER:
            return AppNames({**self._base, **self._layer, **new})
        return AppNames(self._base, {**self._layer, **new})

    @override
    def __getitem__(self, number: bytes) -> str:
        name = self._layer.get(number)
        return self._base[number] if name is None else name

    @override
    def __contains__(self, number: object) -> bool:
        return number in self._layer or number in self._base

    @override
    def __iter__(self) -> Iterator[bytes]:
        yield from self._base
        yield from (number for number in self._layer if number not in self._base)

    @override
    def __len__(self) -> int:
        return len(self._base) + sum(number not in self._base for number in self._layer)
