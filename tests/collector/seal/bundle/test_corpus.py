"""Every bundle of the corpus is judged as it must be, by the product's verifier."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from collector.seal import mldsa, policy
from collector.seal.bundle.check import Trust, check
from collector.seal.fault import Refused
from tests.collector.seal.bundle.corpus import Case, corpus, quantum

NOT_IN_A_BUNDLE = {"E-18", "E-24"}
"""Tokens have their own tests; a segment's key is never in a bundle."""


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Case]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.fsync", lambda _: None)
        patch.setattr("os.fdatasync", lambda _: None)
        yield corpus(tmp_path_factory.mktemp("corpus"))


def judged(case: Case) -> str:
    """Return what the verifier says of a bundle."""
    try:
        believed = None if case.policy is None else policy.parse(case.policy.read_text())
    except Refused as refused:
        return refused.number
    result = check(case.bundle, Trust(policy=believed))
    if result.failure is not None:
        assert "\n" not in result.failure
    return "valid" if result.valid else f"{result.number}: {result.failure}"


def test_each_fails_with_its_number_and_no_other(cases: list[Case]) -> None:
    told = {case.name: judged(case) for case in cases}
    wrong = {
        case.name: (case.expected, told[case.name])
        for case in cases
        if told[case.name].partition(":")[0] != case.expected
    }
    assert wrong == {}


def test_a_program_without_ml_dsa_says_what_the_others_say_that_have_none(
    cases: list[Case], monkeypatch: pytest.MonkeyPatch
) -> None:
    if not mldsa.AVAILABLE:
        pytest.skip("this library makes no ML-DSA lines")
    monkeypatch.setattr(mldsa, "AVAILABLE", False)
    told = {
        case.name: (case.unable, judged(case).partition(":")[0]) for case in cases if case.unable
    }
    assert len(told) == len(quantum.VARIANTS)
    assert {name: both for name, both in told.items() if both[0] != both[1]} == {}


def test_every_number_has_a_bundle(cases: list[Case]) -> None:
    numbers = {f"E-{n:02d}" for n in range(1, 26)} - NOT_IN_A_BUNDLE
    assert {case.expected for case in cases} == numbers | {"valid"}


def test_every_flipped_byte_is_seen(cases: list[Case], tmp_path: Path) -> None:
    """Each byte, one bit of it: the bits of all bytes together are all eight."""
    case = next(case for case in cases if case.name == "good-night-c1-withheld")
    assert case.policy is not None
    trust = Trust(policy=policy.parse(case.policy.read_text()))
    whole = case.bundle.read_bytes()
    flipped = tmp_path / "flipped.zip"
    for at in range(0, len(whole), 13):
        data = bytearray(whole)
        data[at] ^= 1 << at % 8
        flipped.write_bytes(data)
        found = check(flipped, trust)
        assert found.number in ("E-21", "E-25"), (at, found.failure)
