"""A real browser signs in and out, 320 pixels wide and without scripts."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, sync_playwright

from captive_portal.people.accounts import People
from tests.captive_portal.collector_stub import CollectorStub
from tests.captive_portal.conftest import Start

CHROMIUM = shutil.which("chromium")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")


@pytest.fixture
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


def small_page(browser: Browser) -> tuple[Page, list[str]]:
    """Return a page like that of a phone's pop-up, and the list of what it asks for."""
    context = browser.new_context(
        viewport={"width": 320, "height": 568}, java_script_enabled=False, device_scale_factor=2
    )
    page, asked = context.new_page(), list[str]()
    page.on("request", lambda request: asked.append(request.url))
    return page, asked


def fits(page: Page) -> bool:
    """Say whether nothing sticks out to the side."""
    boxes = [element.bounding_box() for element in page.locator("body *:visible").all()]
    return all(box is None or box["x"] + box["width"] <= 320.5 for box in boxes)


def apart_px(upper: Locator, lower: Locator) -> float:
    """Return the space between two elements."""
    one, other = upper.bounding_box(), lower.bounding_box()
    assert one and other
    return other["y"] - one["y"] - one["height"]


def test_a_pupil_signs_in_and_out_on_a_small_screen_without_scripts(
    browser: Browser, start: Start, collector: CollectorStub, people: People, tmp_path: Path
) -> None:
    portal = start()
    page, asked = small_page(browser)
    page.goto(portal.url)
    page.screenshot(path=tmp_path / "sign-in.png", full_page=True)
    assert fits(page)
    page.get_by_label("ชื่อผู้ใช้").fill("somchai")
    page.get_by_label("รหัสผ่าน").fill("wrong words")
    page.get_by_role("button", name="เข้าใช้งาน").click()
    page.screenshot(path=tmp_path / "wrong.png", full_page=True)
    assert page.get_by_role("alert").inner_text().startswith("ชื่อผู้ใช้หรือรหัสผ่านไม่ถูกต้อง")
    assert fits(page)
    page.get_by_label("รหัสผ่าน").fill("correct horse")
    page.get_by_label("รหัสผ่าน").press("Enter")
    page.screenshot(path=tmp_path / "session.png", full_page=True)
    assert page.url.startswith(f"{portal.url}/session")
    assert page.get_by_text("สมชาย ใจดี").is_visible()
    assert fits(page)
    out = page.get_by_role("button", name="ออกจากระบบ")
    assert apart_px(out, page.locator(".card a").first) >= 8
    assert apart_px(page.locator(".card"), page.get_by_role("link", name="เข้าใช้งานในชื่ออื่น")) >= 8
    page.get_by_role("button", name="ออกจากระบบ").click()
    assert page.get_by_role("heading").inner_text() == "ออกจากระบบแล้ว"
    assert [event.event for event in collector.sessions] == ["start", "stop"]
    assert all(url.startswith((portal.url, "data:")) for url in asked)
    assert page.context.cookies() == []


def test_the_notice_and_english_are_one_click_away(
    browser: Browser, start: Start, collector: CollectorStub, people: People, tmp_path: Path
) -> None:
    portal = start()
    page, _ = small_page(browser)
    page.goto(portal.url)
    page.get_by_role("link", name="อ่านประกาศฉบับเต็ม").click()
    page.screenshot(path=tmp_path / "notice.png", full_page=True)
    assert fits(page)
    page.get_by_role("link", name="English").click()
    assert page.locator("html").get_attribute("lang") == "en"
    page.get_by_role("link", name="Back to sign-in").click()
    assert page.get_by_label("Password").is_visible()
