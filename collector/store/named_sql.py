"""Named queries from the `.sql` file that lies beside their one caller."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.resources import files

_NAME = re.compile(r"^-- ([a-z_]+) --$", re.MULTILINE)


def load(file: str) -> Mapping[str, str]:
    """Return the queries of `file` in this package by the name in the line `-- name --`."""
    text = files("collector.store").joinpath(file).read_text(encoding="utf-8")
    _, *pieces = _NAME.split(text)
    return dict(zip(pieces[::2], pieces[1::2], strict=True))
