"""The house keeps its own rules: tree, sizes, names of hosts and machines, settings, verbs."""

from __future__ import annotations

import ast
import configparser
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from appliance.cli import main
from appliance.settings import BoxSettings
from tests import defaults
from tests.conftest import REPO

FOLDERS = {
    ".ci", "appliance", "captive_portal", "collector", "config", "docs", "packaging",
    "requirements", "tests",
}  # fmt: skip
FILES = {
    ".gitignore", ".importlinter", ".npmrc", "CHANGELOG.md", "LICENSE", "Makefile", "README.md",
    "package-lock.json", "package.json", "pyproject.toml",
}  # fmt: skip
PACKAGES = ("appliance", "captive_portal", "collector")
HOSTS = ("pypi.", "pythonhosted.", "registry.npmjs.", "deb.debian.", "archive.ubuntu.")
MACHINE_PATHS = tuple(f"/{name}/" for name in ("work", "root/.pyenv"))
LONGEST_MODULE, LONGEST_FUNCTION = 400, 60


def tracked() -> list[Path]:
    """Return every file that git keeps, from the root of the checkout."""
    done = subprocess.run(["git", "ls-files", "-z"], cwd=REPO, capture_output=True, text=True)
    if done.returncode:
        pytest.skip("not a git checkout")
    return [Path(name) for name in done.stdout.split("\0") if name and (REPO / name).exists()]


def texts() -> Iterator[tuple[Path, str]]:
    """Yield each tracked file that is text, but for this one, which has to name what it hunts."""
    for path in tracked():
        if path != Path(__file__).relative_to(REPO):
            try:
                yield path, (REPO / path).read_text(encoding="utf-8")
            except UnicodeDecodeError:
                continue


def modules() -> list[Path]:
    return sorted(path for package in PACKAGES for path in (REPO / package).rglob("*.py"))


def test_the_top_of_the_tree_is_that_of_the_design() -> None:
    tops = {path.parts[0] for path in tracked() if len(path.parts) > 1}
    files = {str(path) for path in tracked() if len(path.parts) == 1}
    assert tops - FOLDERS == set()
    assert files - FILES == set()


def test_no_file_names_a_package_registry() -> None:
    found = [f"{path}: {host}" for path, text in texts() for host in HOSTS if host in text]
    assert found == []


def test_no_file_names_a_place_on_the_machine_it_was_written_on() -> None:
    found = [
        f"{path}: {place}" for path, text in texts() for place in MACHINE_PATHS if place in text
    ]
    assert found == []


def test_no_folder_hides_a_package_of_the_same_name() -> None:
    assert not (REPO / "packaging" / "__init__.py").exists()
    assert not (REPO / "config" / "__init__.py").exists()


def test_modules_and_functions_are_of_a_size_to_read() -> None:
    long_modules, long_functions = [], []
    for path in modules():
        source = path.read_text(encoding="utf-8")
        if source.count("\n") > LONGEST_MODULE:
            long_modules.append(str(path.relative_to(REPO)))
        for node in ast.walk(ast.parse(source)):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            if (node.end_lineno or 0) - node.lineno >= LONGEST_FUNCTION:
                long_functions.append(f"{path.relative_to(REPO)}: {node.name}")
    assert long_modules == []
    assert long_functions == []


def test_tests_mirror_the_tree() -> None:
    apart = {"integration", "bench", "soak", "captures", "golden", "fuzz"}
    folders = {
        path.parent.relative_to(REPO / "tests") for path in (REPO / "tests").rglob("test_*.py")
    }
    strays = [
        str(f) for f in folders if f.parts and f.parts[0] not in apart and not (REPO / f).is_dir()
    ]
    assert strays == []


def test_every_folder_of_the_product_has_tests() -> None:
    folders = {path.parent for path in modules() if path.name != "__init__.py"}
    untested = [
        str(folder.relative_to(REPO))
        for folder in sorted(folders)
        if folder.parent != REPO and "migrations" not in folder.parts and not mirrored(folder)
    ]
    assert untested == []


def mirrored(folder: Path) -> list[Path]:
    """Return the test files of a folder: those in its mirror, or one that bears its name."""
    mirror = REPO / "tests" / folder.relative_to(REPO)
    alone = mirror.parent / f"test_{folder.name}.py"
    return [*mirror.rglob("test_*.py"), *([alone] if alone.exists() else [])]


def test_a_new_folder_must_be_declared_in_the_import_contracts() -> None:
    contracts = configparser.ConfigParser()
    contracts.read(REPO / ".importlinter", encoding="utf-8")
    layers = {
        section["containers"].strip(): section
        for name in contracts.sections()
        if "containers" in (section := contracts[name])
    }
    assert set(layers) == set(PACKAGES)
    assert [name for name, section in layers.items() if section.get("exhaustive") != "true"] == []
    assert set(contracts["importlinter"]["root_packages"].split()) == set(PACKAGES)


TABLES_OF_CHOICE = ("zones", "ldap", "radius_upstream", "controllers", "oidc")
"""Each of them needs one of two settings that are both empty at first, or is filled by hand."""
WITNESS = "hub.example.go.th/witness+afc83758+BDtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop"


def test_the_shipped_settings_are_those_of_the_models() -> None:
    assert defaults.SHIPPED.read_text(encoding="utf-8") == defaults.document(), "run: make config"


def without_tables_of_choice(document: str) -> Iterator[str]:
    """Yield the lines of tables that are right as they are: others want one of two settings."""
    wanted = True
    for line in document.splitlines():
        if table := re.match(r"# \[\[?([\w.]+)\]", line):
            wanted = table[1].partition(".")[0] not in TABLES_OF_CHOICE
        if wanted:
            yield line


def test_the_shipped_settings_are_right_when_uncommented() -> None:
    given = {"id = ...": 'id = "default"', "address = ...": 'address = "192.0.2.1"'}
    given |= {"site = ...": 'site = "default"', "network = ...": 'network = "192.0.2.0/24"'}
    given |= {"secret_file = ...": 'secret_file = "nas/default"'}
    given |= {"format = ...": 'format = "kea"', "path = ...": 'path = "leases"'}
    given |= {"interface = ...": 'interface = "eth0"'}
    given |= {"name = ...": 'name = "one"', "url = ...": 'url = "https://time.example/"'}
    given |= {"roots = ...": 'roots = "tsa/one.pem"', "key = ...": f'key = "{WITNESS}"'}
    given |= {"log = ...": 'log = "flows"', "days = ...": "days = 365"}
    lines = [
        given.get(line[2:], line[2:])
        for line in without_tables_of_choice(defaults.document())
        if line.startswith("# ") and re.match(r"# (\[|\w+ = )", line) and "unset" not in line
    ]
    read = BoxSettings.model_validate(tomllib.loads("\n".join(lines)))
    plain = BoxSettings.model_validate({"sites": [{"id": "default"}]})
    assert read.radius.clients
    radius = read.radius.model_copy(update={"clients": ()})
    lists: tuple[str, ...] = ("exporters", "believed_senders", "lease_files", "neighbours")
    lists += ("uplinks", "sniff", "timestamp_authorities", "witnesses", "schools")
    assert all(getattr(read, name) for name in lists)
    assert read.names.capture
    none: dict[str, object] = dict.fromkeys(lists, ())
    none["names"] = read.names.model_copy(update={"capture": ()})
    assert read.retention.logs
    none["retention"] = read.retention.model_copy(update={"logs": ()})
    read = read.model_copy(update={"radius": radius, "sites": plain.sites, **none})
    assert read == plain


def test_every_setting_has_its_sentence() -> None:
    silent = [
        f"{model.__name__}.{name}"
        for model in defaults.models()
        for name, field in model.model_fields.items()
        if name not in defaults.sentences(model) and not defaults.is_table(field)
    ]
    assert silent == []


def verbs() -> Iterator[str]:
    """Yield every verb, those of groups with the name of their group."""
    main.register([])
    command = typer.main.get_command(main.app)
    for name, verb in sorted(getattr(command, "commands", {}).items()):
        below = getattr(verb, "commands", None)
        yield from (f"{name} {inner}" for inner in sorted(below)) if below else (name,)


def test_every_verb_is_described() -> None:
    pages = [REPO / "README.md", *sorted((REPO / "docs").glob("*.md"))]
    told = "\n".join(page.read_text(encoding="utf-8") for page in pages)
    assert [verb for verb in verbs() if f"prathu {verb}" not in told] == []


def test_links_between_pages_lead_somewhere() -> None:
    lost = []
    for page in [REPO / "README.md", *sorted((REPO / "docs").glob("*.md"))]:
        for target in re.findall(r"\]\(([^)#]+)[)#]", page.read_text(encoding="utf-8")):
            if "://" not in target and not (page.parent / target).exists():
                lost.append(f"{page.relative_to(REPO)}: {target}")
    assert lost == []


def test_the_changelog_tells_of_this_version() -> None:
    project = tomllib.loads((REPO / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert f"## {project['version']}" in (REPO / "CHANGELOG.md").read_text(encoding="utf-8")
