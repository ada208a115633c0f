"""The page that checks bundles, in real browsers: it says what the other verifiers say."""

from __future__ import annotations

import base64
import random
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, sync_playwright

from tests.collector.seal.bundle import packing
from tests.conftest import REPO
from tests.packaging.verify import firefox, program

PAGE = REPO / "packaging" / "verify" / "verify.html"
CHECK = """async ([bundle, policy]) => {
  const bytes = Uint8Array.from(atob(bundle), (c) => c.charCodeAt(0));
  const zip = new Zip(new Blob([bytes]));
  try {
    await zip.open();
    await new Bundle(zip, new Policy(policy), () => {}).check();
  } catch (error) { if (error instanceof Fault) return error.number; throw error; }
  return "";
}"""
verifier = program.load()


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a bundle `case.zip` of two logs, one withheld, and its `policy`."""
    folder = tmp_path_factory.mktemp("case")
    school = packing.school(folder / "home")
    packing.policy(school, folder / "policy")
    levels = {"demo": "C1", "plain": "C1"}
    rows = packing.order(school, levels=levels, withhold=["demo"])
    packing.packed(school, rows, folder / "case.zip")
    packing.packed(school, packing.order(school, levels={"demo": "C2"}), folder / "whole.zip")
    return folder


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    """The page in Chromium, without a network."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("no chromium here")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        context = browser.new_context(offline=True)
        opened = context.new_page()
        asked: list[str] = []
        opened.on("request", lambda request: asked.append(request.url))
        opened.goto(PAGE.as_uri())
        yield opened
        assert asked == [PAGE.as_uri()], "the page asks nobody for anything"
        browser.close()


def verdict(page: Page, bundle: Path, policy: str) -> str:
    page.set_input_files("#bundle", str(bundle))
    page.fill("#policy", policy)
    page.click("#check")
    return page.wait_for_selector("#verdict:not([hidden])", timeout=60_000).inner_text()  # type: ignore[union-attr]  # it is there, or the wait fails


def test_a_person_sees_what_is_right_and_each_row(page: Page, case: Path) -> None:
    policy = (case / "policy").read_text()
    assert "ถูกต้อง · valid" in verdict(page, case / "whole.zip", policy)
    page.click("#details details:first-of-type summary")
    table = page.inner_text("#details details:first-of-type table")
    assert "ถูกต้อง · valid" in table
    assert re.search(r"04/03/2570 \d\d:\d\d:\d\d\.\d{6} \+07:00\s2027-03-04T", table), "both times"


def test_a_person_sees_the_first_fault_and_its_number(page: Page, case: Path) -> None:
    bent = bytearray((case / "case.zip").read_bytes())
    at = bent.index(b"records/") + 200
    bent[at] ^= 1
    (case / "bent.zip").write_bytes(bent)
    told = verdict(page, case / "bent.zip", (case / "policy").read_text())
    assert "ไม่ถูกต้อง · invalid" in told
    assert "E-25" in told
    assert "มีไบต์ถูกแก้ หรือแฟ้มเสียระหว่างทาง ขอใหม่อีกครั้ง · bytes were changed" in told
    told = verdict(page, case / "case.zip", "")
    assert "ตรวจไม่ได้ · not checked" in told
    assert "E-06" in told


def test_every_number_has_a_meaning_in_thai_and_english(page: Page) -> None:
    told: dict[str, str] = page.evaluate("MEANINGS")
    assert list(told) == [f"E-{number:02}" for number in range(1, 26)]
    assert all(re.search("[\u0e01-\u0e5b].* · [a-zA-Z]", words) for words in told.values())


def test_it_fits_a_phone_and_axe_has_nothing_to_say(page: Page, case: Path) -> None:
    verdict(page, case / "case.zip", (case / "policy").read_text())
    page.set_viewport_size({"width": 320, "height": 700})
    assert page.evaluate("document.documentElement.scrollWidth <= 320")
    axe = (REPO / "node_modules" / "axe-core" / "axe.min.js").read_text()
    found: dict[str, Any] = page.evaluate(f"async () => {{ {axe}; return axe.run(); }}")
    assert [violation["id"] for violation in found["violations"]] == []


def test_it_agrees_with_the_other_program_on_flipped_bits(page: Page, case: Path) -> None:
    whole, policy = (case / "case.zip").read_bytes(), (case / "policy").read_text()
    chance, believed = random.Random(7), verifier.Policy(policy)
    for _ in range(60):
        bent = bytearray(whole)
        at = chance.randrange(len(bent))
        bent[at] ^= 1 << chance.randrange(8)
        (case / "flipped.zip").write_bytes(bent)
        with pytest.raises(verifier.Fault) as fault:
            verifier.verify(case / "flipped.zip", believed)
        told = page.evaluate(CHECK, [base64.b64encode(bent).decode(), policy])
        assert told == fault.value.number, f"byte {at}"


def test_it_says_the_same_in_firefox(case: Path, tmp_path: Path) -> None:
    if shutil.which("firefox-esr") is None:
        pytest.skip("no firefox-esr here")
    with firefox.opened(tmp_path / "profile") as window:
        for bundle, wanted in (("case.zip", "ถูกต้อง · valid"), ("bent.zip", "ไม่ถูกต้อง · invalid")):
            if bundle == "bent.zip":
                bent = bytearray((case / "case.zip").read_bytes())
                bent[bent.index(b"records/") + 200] ^= 1
                (case / bundle).write_bytes(bent)
            window("WebDriver:Navigate", url=PAGE.as_uri())
            window.type("#bundle", str(case / bundle))
            window.type("#policy", (case / "policy").read_text())
            window("WebDriver:ElementClick", id=window.find("#check"))
            until = time.monotonic() + 60
            while not (told := window.text("#verdict")) and time.monotonic() < until:
                time.sleep(0.1)
            assert told.startswith(wanted)
