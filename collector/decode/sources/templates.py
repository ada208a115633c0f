"""The templates and interfaces of one flow exporter, as JSON values.

Times are µs since the epoch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from collector.decode.layout import VARIABLE, Layout
from collector.decode.stream import Stream

MOST_FIELDS = 16_384
"""Of all templates of one exporter; those after them are told without."""


def listed(streams: Iterable[Stream]) -> list[dict[str, Any]]:
    """Return each template with its fields and its age, the newest stream's last."""
    found, room = [], MOST_FIELDS
    for stream in streams:
        for number, layout in sorted(stream.templates.items()):
            age = stream.ages[number]
            room -= len(layout.fields)
            record = {
                "domain": stream.key.domain,
                "port": stream.key.port,
                "template": number,
                "kind": "options" if layout.scopes else "data",
                "first_us": age.first_us,
                "newest_us": age.newest_us,
                "restored": age.restored,
                "field_count": len(layout.fields),
                "fields": _fields(layout) if room >= 0 else [],
            }
            found.append(record)
    return found


def restored(streams: Iterable[Stream]) -> int:
    """Return how many templates are from the disk and were not repeated since."""
    return sum(age.restored for stream in streams for age in stream.ages.values())


def interfaces(numbers: Iterable[int], names: Mapping[int, str]) -> list[dict[str, Any]]:
    """Return the interfaces in an exporter's records, each with its name if that was told."""
    return [{"number": number, "name": names.get(number, "")} for number in sorted(numbers)]


def _fields(layout: Layout) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "pen": field.pen,
            "id": field.id,
            "bytes": None if field.size == VARIABLE else field.size,
        }
        for name, field in zip(layout.names, layout.fields, strict=True)
    ]
