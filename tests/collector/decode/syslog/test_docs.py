"""The walk-through in docs/adding-a-format.md does what it says."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from collector.decode.syslog import vendors
from collector.decode.syslog.patterns import mask
from collector.decode.syslog.reading import Format
from tests.collector.decode.syslog import golden

PAGE = Path(__file__).resolve().parents[4] / "docs" / "adding-a-format.md"


def _blocks(kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


def test_the_example_format_gives_the_row_that_the_page_shows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names: dict[str, Any] = {}
    exec(_blocks("python")[0], names)  # the page's own code
    example: Format = names["FORMAT"]
    line = _blocks("text")[0].strip()
    monkeypatch.setitem(vendors._BY_PROGRAM, example.programs[0], [example])
    pattern, row = (json.loads(block) for block in _blocks("json"))
    assert golden.rows([line]) == [row]
    message = line.partition("gate[99]: ")[2]
    assert f"gate: {mask(message)}" == pattern["pattern"]
