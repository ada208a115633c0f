"""The product is Apache-2.0: nothing under the GPL or AGPL may live in its processes.

Two nets: every import statement of the three packages, also the late ones inside functions, and
everything that is loaded once all their modules are imported. What a library brings along is
judged by the licence that its distribution declares.
"""

from __future__ import annotations

import ast
import importlib.metadata
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.conftest import REPO

PACKAGES = ("appliance", "captive_portal", "collector")
SEPARATE_PROGRAMS = ("collector/sniff",)
"""Its files are `Apache-2.0 OR GPL-2.0-only` and run in a process of their own."""

LOAD_ALL = """
import importlib, pkgutil, sys
for package in sys.argv[1:]:
    top = importlib.import_module(package)
    for module in pkgutil.walk_packages(top.__path__, package + "."):
        if not module.name.endswith("__main__") and not module.name.startswith("collector.sniff"):
            importlib.import_module(module.name)
print("\\n".join(sorted({name.partition(".")[0] for name in sys.modules})))
"""


def forbidden(licences: Iterable[str]) -> bool:
    """Return whether every way to take these licences is GPL or AGPL (the LGPL is neither)."""
    ways = [way for text in licences for way in re.split(r"\bOR\b", text)]
    return bool(ways) and all(
        re.search(r"\bA?GPL|(?<!Lesser )General Public License", way) for way in ways
    )


def licences_of(distribution: str) -> list[str]:
    """Return what a distribution says of its licence: expression, classifiers, or its licence."""
    metadata = importlib.metadata.metadata(distribution)
    expression = metadata.get_all("License-Expression")
    if expression:
        return expression
    classifiers = metadata.get_all("Classifier") or []
    named = [text for text in classifiers if text.startswith("License :: OSI Approved ::")]
    told = [text.partition("\n")[0] for text in metadata.get_all("License") or []]
    return named or told or first_lines(distribution)


def first_lines(distribution: str) -> list[str]:
    """Return how the licences begin that a distribution brings with it."""
    files = importlib.metadata.files(distribution) or []
    found = [file for file in files if "licenses" in file.parts and "LICENSE" in file.name.upper()]
    return [file.read_text().strip().partition("\n")[0] for file in found]


@cache
def distributions() -> dict[str, list[str]]:
    """Return which distributions bring each top-level module."""
    return dict(importlib.metadata.packages_distributions())


def offenders(modules: Iterable[str]) -> set[str]:
    """Return those of the top-level `modules` that must not be in our processes."""
    return {
        module
        for module in modules
        for distribution in distributions().get(module, [])
        if forbidden(licences_of(distribution))
    }


def imported_names(source: str) -> Iterator[str]:
    """Yield the top-level modules that `source` imports, wherever in it."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "import_module":
            first = node.args[0] if node.args else None
            if isinstance(first, ast.Constant):
                yield str(first.value).partition(".")[0]


def sources(root: Path) -> Iterator[Path]:
    """Yield the product's files below `root`, without the programs that stand apart."""
    apart = [root / folder for folder in SEPARATE_PROGRAMS]
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            if not any(path.is_relative_to(folder) for folder in apart):
                yield path


def faults(root: Path) -> list[str]:
    """Return a line for each file below `root` that imports what it must not."""
    return [
        f"{path.relative_to(root)} imports {name}"
        for path in sources(root)
        for name in sorted(offenders(imported_names(path.read_text(encoding="utf-8"))))
    ]


def test_no_file_imports_a_gpl_module() -> None:
    assert faults(REPO) == []


def test_nothing_that_gets_loaded_is_gpl() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOAD_ALL, *PACKAGES], cwd=REPO, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.split())
    assert "pyarrow" in loaded
    assert offenders(loaded) == set()


def test_every_package_we_ship_declares_a_licence() -> None:
    runtime = (REPO / "requirements/runtime.txt").read_text(encoding="utf-8")
    installed = {
        d.metadata["Name"].lower().replace("_", "-") for d in importlib.metadata.distributions()
    }
    names = set(re.findall(r"^([a-z0-9-]+)==", runtime, re.MULTILINE)) & installed
    assert len(names) > 20
    assert [name for name in sorted(names) if not any(licences_of(name))] == []
    assert [name for name in sorted(names) if forbidden(licences_of(name))] == []


@pytest.mark.parametrize(
    "source",
    [
        "import scapy.all",
        "def later():\n    from scapy.layers import dns",
        "import importlib\nimportlib.import_module('scapy.all')",
    ],
)
def test_a_file_that_imports_scapy_is_named(tmp_path: Path, source: str) -> None:
    module = tmp_path / "collector/decode/names.py"
    module.parent.mkdir(parents=True)
    module.write_text(source)

    assert faults(tmp_path) == ["collector/decode/names.py imports scapy"]


def test_only_the_separate_program_may_use_scapy(tmp_path: Path) -> None:
    module = tmp_path / "collector/sniff/watch.py"
    module.parent.mkdir(parents=True)
    module.write_text("import scapy.all")

    assert faults(tmp_path) == []


def test_the_separate_program_says_its_licence_and_imports_nothing_of_ours() -> None:
    files = [path for folder in SEPARATE_PROGRAMS for path in (REPO / folder).rglob("*.py")]
    assert len(files) > 4
    for path in files:
        source = path.read_text(encoding="utf-8")
        header = "# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only"
        assert source.splitlines()[0] == header, path
        assert not re.search(r"import_module|__import__", source), path
        ours = set(
            re.findall(rf"^\s*(?:from|import)\s+((?:{'|'.join(PACKAGES)})\b\S*)", source, re.M)
        )
        assert {name for name in ours if not name.startswith("collector.sniff")} == set(), path


def test_nothing_of_ours_imports_the_separate_program() -> None:
    names = [folder.replace("/", ".") for folder in SEPARATE_PROGRAMS]
    for path in sources(REPO):
        source = path.read_text(encoding="utf-8")
        for name in names:
            assert not re.search(rf"^\s*(?:from|import)\s+{re.escape(name)}\b", source, re.M), path


@pytest.mark.parametrize(
    ("licences", "verdict"),
    [
        (["GPL-2.0-only"], True),
        (["AGPL-3.0-or-later"], True),
        (["License :: OSI Approved :: GNU General Public License v3 (GPLv3)"], True),
        (["License :: OSI Approved :: GNU Affero General Public License v3"], True),
        (["Apache-2.0 OR GPL-2.0-only"], False),
        (["LGPL-3.0-only"], False),
        (["License :: OSI Approved :: GNU Lesser General Public License v3 (LGPLv3)"], False),
        (["MIT"], False),
    ],
)
def test_licences_are_told_apart(licences: list[str], verdict: bool) -> None:
    assert forbidden(licences) is verdict
