"""Named statements from the `.sql` file that lies beside their one caller."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.resources import files

_NAME = re.compile(r"^-- ([a-z_]+) --\n", re.MULTILINE)


def load(package: str, file: str) -> Mapping[str, str]:
    """Return the statements of a package's file, by the name in the line `-- name --` before each.

    The last semicolon of each is left out, so that a statement can stand inside another.
    """
    text = files(package).joinpath(file).read_text(encoding="utf-8")
    _, *pieces = _NAME.split(text)
    statements = (piece.strip().removesuffix(";") for piece in pieces[1::2])
    return dict(zip(pieces[::2], statements, strict=True))
