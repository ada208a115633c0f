"""A real browser on a client's side of the network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest


def sign_in(chromium: Path, url: str, account: str, password: str, **context: Any) -> str:
    """Sign in on the page as a person would; return the text of the page that follows.

    Args:
        chromium: The browser's program.
        url: Where it goes first.
        account: What is typed.
        password: The same.
        context: What kind of device it is, in Playwright's words.
    """
    pytest.importorskip("playwright", reason="playwright drives the browser")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(chromium), args=["--no-sandbox", "--disable-gpu"]
        )
        try:
            page = browser.new_page(locale="th-TH", **context)
            page.goto(url)
            page.locator("input[name=account]").fill(account)
            page.locator("input[name=password]").fill(password)
            page.locator("button[type=submit]").first.click()
            page.wait_for_selector("[role=status], [role=alert]")
            text: str = page.inner_text("body")
            return text
        finally:
            browser.close()
