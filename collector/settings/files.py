"""The files that settings stand in, read into one document."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from collector.errors import SettingsError

SETTINGS_FILE = "prathu.toml"
DROP_INS = "prathu.d"


def read(home: Path) -> dict[str, Any]:
    """Return the merged TOML of a home: `prathu.toml`, then `prathu.d/*.toml` by name.

    Raises:
        SettingsError: no home here, or not TOML.
    """
    main = home / SETTINGS_FILE
    if not main.is_file():
        raise SettingsError(f"no {SETTINGS_FILE} in {home}", hint="make a home with: prathu init")
    merged: dict[str, Any] = {}
    for path in (main, *sorted((home / DROP_INS).glob("*.toml"))):
        try:
            document = tomllib.loads(path.read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise SettingsError(
                f"{path}: {error}", hint="mend the line, then: prathu check"
            ) from error
        _merge(merged, document)
    return merged


def _merge(into: dict[str, Any], document: dict[str, Any]) -> None:
    """Later tables add to earlier ones, lists are joined, values are replaced."""
    for key, value in document.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        elif isinstance(value, list) and isinstance(into.get(key), list):
            into[key] = [*into[key], *value]
        else:
            into[key] = value
