"""Three verifiers that share no code say the same of every bundle of the corpus."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.collector.seal.bundle.corpus import Case, corpus
from tests.packaging.verify import program
from tests.packaging.verify.test_verify_html import CHECK, page

__all__ = ["page"]
verifier = program.load()


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> list[Case]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.fsync", lambda _: None)
        patch.setattr("os.fdatasync", lambda _: None)
        made = corpus(tmp_path_factory.mktemp("corpus"))
    return [case for case in made if case.policy is not None]


def in_python(bundle: Path, policy: str) -> str:
    try:
        verifier.verify(bundle, verifier.Policy(policy))
    except verifier.Fault as fault:
        return str(fault.number)
    return "valid"


def in_chromium(page: Page, bundle: Path, policy: str) -> str:
    return page.evaluate(CHECK, [base64.b64encode(bundle.read_bytes()).decode(), policy]) or "valid"


def test_each_bundle_has_its_number(cases: list[Case], page: Page) -> None:
    wrong = []
    for case in cases:
        policy = case.policy.read_text() if case.policy else ""
        told = in_python(case.bundle, policy), in_chromium(page, case.bundle, policy)
        expected = case.unable or case.expected
        if told != (expected, expected):
            wrong.append((case.name, expected, *told))
    assert wrong == []
