"""Whatever the bytes are, a check ends in a result: no exception, no surprise, little memory."""

from __future__ import annotations

import resource
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.seal import policy
from collector.seal.bundle.check import Result, Trust, check
from tests.collector.seal.bundle import packing
from tests.collector.seal.bundle.forge import Forge, zipped


@pytest.fixture(scope="module")
def forge(tmp_path_factory: pytest.TempPathFactory) -> Forge:
    folder = tmp_path_factory.mktemp("forge")
    school = packing.school(folder / "home")
    order = packing.order(school, levels={"demo": "C1", "plain": "C1"}, subject="p-0002")
    packing.packed(school, order, folder / "case.zip")
    return Forge(school.home, folder / "case.zip")


def judged(data: bytes, text: str) -> Result:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "case.zip")
        path.write_bytes(data)
        return check(path, Trust(policy=policy.parse(text)))


@given(st.binary(max_size=400))
def test_any_bytes_at_all_are_refused(forge: Forge, data: bytes) -> None:
    assert judged(data, forge.policy).number == "E-21"
    whole = zipped([("mimetype", b"application/vnd.etsi.asic-e+zip"), ("x", data)])
    assert judged(whole, forge.policy).number == "E-21"


@settings(max_examples=150)
@given(st.data())
def test_any_member_may_be_anything(forge: Forge, data: st.DataObject) -> None:
    """What is in a member is listed and hashed anew, so that its reader sees it."""
    forge.resign()
    before, text = dict(forge.members), forge.policy
    name = data.draw(st.sampled_from(sorted(before)))
    old = before[name]
    at = data.draw(st.integers(0, len(old)))
    end = data.draw(st.integers(at, min(len(old), at + 40)))
    words = [b'"', b"{", b"[", b"null", b"1e9", b"-1", b"\xff", b"\\ud800", b"9" * 30, b"\n"]
    new = data.draw(st.one_of(st.binary(max_size=12), st.sampled_from(words)))
    try:
        forge.members[name] = old[:at] + new + old[end:]
        forge.relist()
        found = judged(forge.zip(), text)
        bound = name.startswith(("entries/", "proofs/", "records", "schema/", "mimetype"))
        if forge.members[name] != old and bound:
            assert not found.valid, (name, at, end, new)
    finally:
        forge.members = before


def test_a_long_line_and_a_deep_one_take_little_memory(forge: Forge) -> None:
    name = next(name for name in forge.members if name.startswith("records/"))
    before = dict(forge.members)
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for line in (b"[" * (9 << 20), b'"' + b"x" * (40 << 20), b"[" * (7 << 20) + b"\n"):
        forge.members = {**before, name: line}
        forge.relist()
        data = forge.zip()
        assert judged(data, forge.policy).number in ("E-11", "E-25")
        del data
    forge.members = before
    grown_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - used
    assert grown_kb < 400_000
