"""Whatever one member of a document is made to be, listed and signed anew, two programs agree.

They share no code; the page is held to the same answers by the corpus (`test_agreement.py`).
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.seal import policy
from collector.seal.bundle.check import Trust, check
from tests.collector.seal.bundle import packing
from tests.collector.seal.bundle.corpus import night
from tests.collector.seal.bundle.forge import Forge
from tests.packaging.verify import program

verifier = program.load()
ODD: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 91, 1 << 32, (1 << 53) - 1, "", "0", "-5", "a", "A", "a b"),
    *("a\n", "\x7f", "\x1b[2J", "schema", "a..b", "-a", "9223372036854775808", [], {}, [[]]),
    *(["a"], [0, 1], [["demo", 0, 9]], {"a": 1}, "x" * 300, "C2", "C3", "__proto__"),
)


ORDERS: tuple[dict[str, Any], ...] = ({}, {"withhold": ["demo"]}, {"levels": {"demo": "C2"}})


@pytest.fixture(scope="module")
def forges(tmp_path_factory: pytest.TempPathFactory) -> list[Forge]:
    folder = tmp_path_factory.mktemp("same")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.fsync", lambda _: None)
        patch.setattr("os.fdatasync", lambda _: None)
        school = night(folder / "home")
        made = []
        orders: tuple[dict[str, Any], ...] = (
            {},
            {"withhold": ["demo"]},
            {"levels": {"demo": "C2"}},
        )
        for number, more in enumerate(orders):
            order = packing.order(school, **{"from_us": school.begin_us, **more})
            bundle = folder / f"{number}.zip"
            packing.packed(school, order, bundle)
            made.append(Forge(school.home, bundle))
    return made


def places(found: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    inner = found.items() if isinstance(found, dict) else enumerate(found)
    for key, value in inner:
        yield (*at, key)
        if isinstance(value, dict | list):
            yield from places(value, (*at, key))


def bend(data: st.DataObject, document: Any) -> None:
    """Change one member of a document, in place."""
    *way, last = data.draw(st.sampled_from(list(places(document))))
    for key in way:
        document = document[key]
    old = document[last]
    kind = data.draw(st.sampled_from(["odd", "near", "gone", "more"]))
    if kind == "gone":
        del document[last]
    elif kind == "more" and isinstance(document, dict):
        document[data.draw(st.sampled_from(["zz", "detail", "__proto__"]))] = old
    elif kind == "more":
        document.insert(last, copy.deepcopy(old))
    elif kind == "near" and type(old) is int:
        document[last] = old + data.draw(st.sampled_from([-1, 1, 3_600_000_000]))
    elif kind == "near" and isinstance(old, str):
        at = data.draw(st.integers(0, len(old)))
        added = data.draw(st.sampled_from(["", "0", "a", " ", "=", "\x85", "\ufeff", "é"]))
        document[last] = old[:at] + added + old[at + 1 :]
    else:
        document[last] = copy.deepcopy(data.draw(st.sampled_from(ODD)))


def bent(forge: Forge, data: st.DataObject) -> None:
    names = sorted(n for n in forge.members if n.endswith((".json", ".jsonl")))
    name = data.draw(st.sampled_from([n for n in names if not n.startswith("entries/")] + ["e"]))
    if name == "e":
        book = data.draw(st.sampled_from(forge.books))
        bend(data, book.entries[data.draw(st.sampled_from(book.shown))])
        forge.resign()
    elif name.endswith(".jsonl"):
        lines = forge.members[name].splitlines()
        row = data.draw(st.integers(0, len(lines) - 1))
        document = verifier.parse(lines[row], "E-11", name)
        bend(data, document)
        lines[row] = rfc8785.dumps(document)
        forge.members[name] = b"".join(line + b"\n" for line in lines)
    else:
        forge.change(name, lambda document: bend(data, document))
    if name != "manifest.json":
        forge.relist()
    forge.relist_asic()


def in_python(bundle: Path, text: str) -> str:
    try:
        verifier.verify(bundle, verifier.Policy(text))
    except verifier.Fault as fault:
        return str(fault.number)
    return "valid"


@settings(max_examples=250)
@given(st.data())
def test_two_programs_say_the_same(
    forges: list[Forge], tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    forge = copy.deepcopy(data.draw(st.sampled_from(forges)))
    text = forge.policy
    forge.relist()
    try:
        bent(forge, data)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError):
        return  # the forger himself cannot go on with this
    bundle = tmp_path_factory.getbasetemp() / "bent.zip"
    bundle.write_bytes(forge.zip())
    found = check(bundle, Trust(policy=policy.parse(text)))
    assert in_python(bundle, text) == (found.number or "valid"), found.failure
    assert found.failure is None or found.failure.isprintable()
