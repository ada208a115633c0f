"""The list of verbs is told without loading them, and tells the same as each verb does."""

from __future__ import annotations

import subprocess
import sys

import pytest
import typer

from appliance.cli import main
from appliance.cli.verbs import VERBS

HEAVY = ("numpy", "pyarrow", "duckdb", "sqlalchemy", "fastapi", "cryptography")


def test_each_line_of_the_help_is_the_verbs_own() -> None:
    main.register([])
    command = typer.main.get_command(main.app)
    own = {
        name: "" if verb.hidden else " ".join((verb.help or "").split("\n\n")[0].split())
        for name, verb in getattr(command, "commands", {}).items()
    }
    assert {name: verb.says for name, verb in VERBS.items()} == own


@pytest.mark.parametrize("words", [["--version"], ["--help"], ["-q", "statsu"], []])
def test_what_needs_no_part_of_the_box_loads_none(words: list[str]) -> None:
    program = (
        "import sys\nfrom appliance.cli import main\n"
        f"try:\n    main.run({words!r})\nexcept SystemExit:\n"
        f"    print([one for one in {HEAVY!r} if one in sys.modules])\n"
    )
    done = subprocess.run(  # our own interpreter
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]", done.stderr
