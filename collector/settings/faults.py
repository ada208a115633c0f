"""What a wrong setting is told as: one line with its place and the nearest right name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping

from pydantic import BaseModel, ValidationError

_SAID: Mapping[str, str] = {
    "tuple_type": "wanted a list, in square brackets",
    "model_type": "wanted a table",
}
"""Faults that pydantic tells in words of Python."""


def first_fault(error: ValidationError, model: type[BaseModel]) -> str:
    """Return the first fault, an unknown name before others: what is missing may be that one."""
    faults = error.errors(include_url=False)
    fault = next((one for one in faults if one["type"] == "extra_forbidden"), faults[0])
    place = _place(fault["loc"])
    if fault["type"] == "extra_forbidden":
        names = _names_beside(model, fault["loc"])
        return f"settings: {place} is unknown{nearest(str(fault['loc'][-1]), names)}"
    if fault["type"] == "missing":
        return f"settings: {place} is missing"
    said = _SAID.get(fault["type"], fault["msg"].removeprefix("Value error, "))
    return f"settings: {place}: {said}, got {fault.get('input')!r}"


def _place(loc: Iterable[int | str]) -> str:
    """Return a path as people count: `exporters number 3, address`."""
    text, joint = "", ""
    for part in loc:
        text += f" number {part + 1}" if isinstance(part, int) else f"{joint}{part}"
        joint = ", " if isinstance(part, int) else "."
    return text


def _names_beside(model: type[BaseModel], loc: tuple[int | str, ...]) -> set[str]:
    """Return the field names of the table that `loc` ends in."""
    for part in loc[:-1]:
        if isinstance(part, str) and part in model.model_fields:
            annotation = model.model_fields[part].annotation
            inner = [a for a in (annotation, *getattr(annotation, "__args__", ())) if _is_model(a)]
            if inner:
                model = inner[0]
    return set(model.model_fields)


def _is_model(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def nearest(name: str, names: set[str]) -> str:
    """Return what may have been meant, for the end of a message."""
    close = difflib.get_close_matches(name, sorted(names), n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else f"; known: {', '.join(sorted(names))}"
