"""A template's fields, compiled once: where each field lies, and what it is called.

Layouts are interned by content. A template that changes has another layout, so records that were
batched or waiting keep the one they came with.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any, NamedTuple
from weakref import WeakValueDictionary

import numpy as np

from collector.decode import elements
from collector.decode.elements import Element

VARIABLE = 65535
"""The length that says: each value carries its own (RFC 7011 section 7)."""

_WHOLE = (1, 2, 4, 8)


class Field(NamedTuple):
    """One field specifier of a template."""

    pen: int
    """Private enterprise number; 0 for elements of the IANA table."""
    id: int
    size: int
    """In bytes, or VARIABLE."""


class Layout:
    """The fields of a data or options record."""

    def __init__(self, *, version: int, scopes: int, fields: tuple[Field, ...]) -> None:
        self.version = version
        self.scopes = scopes
        self.fields = fields
        self.variable = any(field.size == VARIABLE for field in fields)
        self.least_bytes = sum(1 if field.size == VARIABLE else field.size for field in fields)
        """Of one record; its exact size unless `variable`."""
        self.plan: Any = None
        """What `flows` has worked out for this layout."""

    @staticmethod
    def of(version: int, scopes: int, fields: tuple[Field, ...]) -> Layout:
        """Return the one layout of this content."""
        key = (version, scopes, fields)
        layout = _LAYOUTS.get(key)
        if layout is None:
            layout = _LAYOUTS[key] = Layout(version=version, scopes=scopes, fields=fields)
        return layout

    @cached_property
    def dtype(self) -> np.dtype[np.void]:
        """The NumPy type of one record of fixed size; fields are named by position."""
        names, formats, offsets, at = [], [], [], 0
        for index, field in enumerate(self.fields):
            if field.size:
                names.append(f"f{index}")
                formats.append(f">u{field.size}" if field.size in _WHOLE else f"({field.size},)u1")
                offsets.append(at)
            at += field.size
        return np.dtype({"names": names, "formats": formats, "offsets": offsets, "itemsize": at})

    @cached_property
    def elements(self) -> tuple[Element, ...]:
        """What each field is, in order."""
        return tuple(
            elements.scope(field.id)
            if index < self.scopes and self.version != elements.IPFIX
            else elements.lookup(field.pen, field.id)
            for index, field in enumerate(self.fields)
        )

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The element name of each field; the second of the same name is `name#2`."""
        seen: dict[str, int] = {}
        names = []
        for element in self.elements:
            seen[element.name] = number = seen.get(element.name, 0) + 1
            names.append(element.name if number == 1 else f"{element.name}#{number}")
        return tuple(names)

    @cached_property
    def unknown(self) -> tuple[str, ...]:
        """What fields that no table names are called."""
        return tuple(element.name for element in self.elements if element.type == "unknown")

    @cached_property
    def places(self) -> dict[tuple[int, int], int]:
        """(pen, id) of each field that is no scope field to its index; the first one counts."""
        found: dict[tuple[int, int], int] = {}
        for index, field in enumerate(self.fields):
            if index >= self.scopes:
                found.setdefault((field.pen, field.id), index)
        return found


_LAYOUTS: WeakValueDictionary[tuple[int, int, tuple[Field, ...]], Layout] = WeakValueDictionary()


class Template(NamedTuple):
    """A template as announced."""

    id: int
    layout: Layout | None
    """None withdraws the template."""
