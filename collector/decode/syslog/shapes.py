"""Lines of `key=value` that come by the thousand, read by a pattern of their own.

A device writes the same kind of message with the same keys in the same order. Once such a shape has
been seen a few times, one pattern with the keys in it reads its lines three times as fast as
finding pair by pair. What it gives is the same either way; a line that does not fit is read the
long way.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import NamedTuple

from collector.decode.syslog.columns import encode
from collector.decode.syslog.reading import pairs, split

_SEEN = 8
"""A shape is worth a pattern when it was seen so often."""
_MOST = 64
_MOST_EACH = 12
_WATCHED = 512
"""Shapes that are counted at a time."""
_KEYS = (8, 90)
"""Fewer keys gain nothing; more may not be worth their groups."""
_QUOTED = r'="([^"]+)"'
_BARE = r'=([^\s",]+)'
_Pick = Callable[[Sequence[str]], tuple[str, ...]]


class Line(NamedTuple):
    """A line taken apart."""

    told: dict[str, str]
    """The wanted keys that it has, and perhaps others."""
    columns: dict[str, str]
    fields: str
    """The rest as a JSON object; empty without any."""


class _Shape(NamedTuple):
    match: Callable[[str], re.Match[str] | None]
    wanted: tuple[str, ...]
    wanted_values: _Pick
    columns: tuple[str, ...]
    column_values: _Pick
    template: str
    field_values: _Pick


class Shapes:
    """Reads the lines of one format."""

    def __init__(self, names: Mapping[str, str], *, mark: str, wanted: frozenset[str]) -> None:
        """Keep what the lines of a format have in common.

        Args:
            names: Which column a key fills; those named "" are told by other columns.
            mark: The key that tells kinds of lines apart, with its `=`.
            wanted: Keys that the format looks at itself.
        """
        self._wanted = wanted
        self._names = names
        self._mark = mark
        self._known: dict[str, list[_Shape]] = {}
        self._seen: Counter[str] = Counter()
        self.patterns = 0
        """How many were made."""

    def read(self, text: str) -> Line:
        """Return a line taken apart."""
        at = text.find(self._mark)
        kind = text[at : at + 24]
        for shape in self._known.get(kind, ()):
            found = shape.match(text)
            if found is None:
                continue
            values = found.groups()
            fields = shape.template % shape.field_values(values)
            if not fields.isprintable() or "\\" in fields:
                break  # something in it must be escaped
            return Line(
                dict(zip(shape.wanted, shape.wanted_values(values), strict=True)),
                dict(zip(shape.columns, shape.column_values(values), strict=True)),
                fields,
            )
        found_pairs = pairs(text)
        if self.patterns < _MOST:
            self._watch(kind, text, found_pairs)
        columns, rest, *_ = split(found_pairs, self._names)
        return Line(dict(found_pairs), columns, encode(rest) if rest else "")

    def _watch(self, kind: str, text: str, found: Sequence[tuple[str, str]]) -> None:
        """Count a line's shape, and make its pattern when it has come often enough."""
        keys = tuple(key for key, _ in found)
        if not _KEYS[0] <= len(keys) <= _KEYS[1] or len(set(keys)) < len(keys):
            return
        parts = [_part(key, value, text) for key, value in found]
        source = " ".join(parts)
        self._seen[source] += 1
        if self._seen[source] < _SEEN:
            if len(self._seen) > _WATCHED:
                self._seen.clear()
            return
        del self._seen[source]
        known = self._known.setdefault(kind, [])
        told = [key for key, value in found if value]
        columns = [(key, column) for key in told if (column := self._names.get(key))]
        rest = [key for key in told if key not in self._names]
        wanted = [key for key in told if key in self._wanted]
        enough = min(len(columns), len(rest), len(wanted)) > 1
        once = len({column for _, column in columns}) == len(columns)
        pattern = re.compile(source + r"\s*")
        if len(known) < _MOST_EACH and enough and once and pattern.fullmatch(text):
            self.patterns += 1
            known.append(_shape(pattern, told, wanted, columns, rest))


def _part(key: str, value: str, text: str) -> str:
    quoted = f'{key}="' in text
    if not value:
        return re.escape(key) + ('=""' if quoted else "=")
    return re.escape(key) + (_QUOTED if quoted else _BARE)


def _shape(
    pattern: re.Pattern[str],
    told: Sequence[str],
    wanted: Sequence[str],
    columns: Sequence[tuple[str, str]],
    rest: Sequence[str],
) -> _Shape:
    place = {key: at for at, key in enumerate(told)}
    template = "{" + ",".join(f'{encode(key)}:"%s"' for key in rest)  # keys are of [\w.-]
    return _Shape(
        pattern.fullmatch,
        tuple(wanted),
        itemgetter(*(place[key] for key in wanted)),
        tuple(column for _, column in columns),
        itemgetter(*(place[key] for key, _ in columns)),
        template + "}",
        itemgetter(*(place[key] for key in rest)),
    )
