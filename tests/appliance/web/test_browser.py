"""The pages in a real browser: keys, phones, people who do not see, and nothing from elsewhere."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
import uvicorn
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from appliance.web.app import create_app
from captive_portal.database import open_database
from captive_portal.people import groups, groups_text
from captive_portal.people.accounts import AccountRow
from captive_portal.people.devices import Devices
from captive_portal.people.groups import Calendar, Groups
from captive_portal.people.keys import person_key
from captive_portal.people.teaching import Teaching
from captive_portal.people.vouchers import Order, Vouchers
from tests.appliance.web import senders
from tests.appliance.web.rooms import NOW_US, PASSWORD, House
from tests.appliance.web.test_sessions_page import LINE

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Dialog, Page

pytestmark = pytest.mark.xdist_group("machine")

ROOT = Path(__file__).resolve().parents[3]
AXE = ROOT / "node_modules/axe-core/axe.min.js"
HTMX = ROOT / "appliance/web/static/vendor/htmx.min.js"
SOMEBODY = UUID(int=7)
PATHS = (
    "/",
    "/search",
    "/search?q=*",
    "/search?q=user:(",
    "/who",
    "/who?address=10.20.1.11",
    "/people",
    "/people/roll",
    "/people/groups",
    "/people/vouchers",
    "/people/teachers",
    "/people/devices",
    "/people/devices?change=00:aa:00:00:00:02",
    "/people/year",
    f"/people/{SOMEBODY}/data",
    "/kept",
    "/password",
    "/sources",
    "/sources/one?site=default&kind=flows&name=192.0.2.2",
    "/sources/one?site=default&kind=flows&name=192.0.2.4",
    "/sources/one?site=default&kind=syslog&name=192.0.2.1",
)
PHONE, DESK = {"width": 360, "height": 740}, {"width": 1280, "height": 900}


@dataclass
class Shop:
    """A box that a browser can reach, and what the browser complained of."""

    house: House
    base: str
    complaints: list[str] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)

    def listen(self, page: Page) -> None:
        page.set_default_timeout(10_000)
        page.on("console", lambda m: self.complaints.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda e: self.complaints.append(str(e)))
        page.on(
            "request",
            lambda r: None if r.url.startswith(self.base) else self.elsewhere.append(r.url),
        )


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright drives the browser")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("no chromium on this machine")
    if not HTMX.exists():
        pytest.skip("no page assets: npm ci, then python -m appliance.web.assets")
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]
        )
        yield started
        started.close()


@pytest.fixture
def shop(house: House) -> Iterator[Shop]:
    house.control.sources = senders.told_of(house.site, NOW_US)
    house.control.replies["receive"] = {"unknown_senders": senders.STRANGERS}
    house.database = a_school(house)
    config = uvicorn.Config(create_app(house.deps()), port=0, log_level="error")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while thread.is_alive() and not server.started:
        thread.join(0.02)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield Shop(house=house, base=f"http://127.0.0.1:{port}")
    server.should_exit = True
    thread.join(20)
    house.database.dispose()


def a_school(house: House) -> Engine:
    """Return a database with a pupil, a teacher, groups, a day and vouchers."""
    engine = open_database(house.home)
    now = datetime.fromtimestamp(NOW_US / 1e6, UTC)
    with Session(engine) as db, db.begin():
        for person, account, kind, grade in (
            (SOMEBODY, "00101", "pupil", "ม.1"),
            (UUID(int=8), "kru", "teacher", ""),
        ):
            row = AccountRow(id=person, site=house.site, account=account, folded=account)
            row.full_name, row.kind, row.role, row.grade = "สมชาย ใจดี", kind, "none", grade
            row.room, row.must_change, row.proofing, row.created_at = "2", False, "ทะเบียน", now
            db.add(row)
    group = groups.new(house.site, "นักเรียน")
    Groups(engine).put(replace(group, kind="pupil", hours=groups_text.hours("จ-ศ 07:30-16:30")))
    Calendar(engine).put(house.site, now.date(), kind="holiday", name="วันหยุด")
    order = Order(
        site=house.site,
        sponsor=UUID(int=8),
        for_whom=("วิทยากร สมมติ", ""),
        valid_until=now + timedelta(days=3),
    )
    Vouchers(engine, person_key(house.home)).make(order, now=now)
    with Session(engine) as db, db.begin():
        db.add(_teacher(house.site, now))
    Teaching(engine).put(UUID(int=4), "ม.1")
    book, kru = Devices(engine), UUID(int=8)
    book.own(house.site, "00:aa:00:00:00:02", kru, "เครื่องพิมพ์ ห้องธุรการ", now=now, purpose="ใบประกาศ")
    book.remember(house.site, "02:aa:00:00:00:01", SOMEBODY, now=now, until=now + timedelta(7))
    book.call(house.site, "02:aa:00:00:00:03", SOMEBODY, "แท็บเล็ต", now=now)
    book.switch(house.site, "02:aa:00:00:00:01", on=False)
    return engine


def _teacher(site: str, now: datetime) -> AccountRow:
    row = AccountRow(id=UUID(int=4), site=site, account="kru.jaidee", folded="kru.jaidee")
    row.full_name, row.kind, row.role = "ครู ใจดี", "teacher", "teacher"
    row.must_change, row.proofing, row.created_at = False, "ทะเบียน", now
    return row


def inside(browser: Browser, shop: Shop, **how: Any) -> tuple[BrowserContext, Page]:
    """Return a browser that is signed in."""
    context = browser.new_context(**{"viewport": DESK, **how})
    page = context.new_page()
    shop.listen(page)
    page.goto(f"{shop.base}/sign-in")
    page.fill("#account", "admin")
    page.fill("#password", PASSWORD)
    with page.expect_navigation():
        page.keyboard.press("Enter")
    return context, page


@pytest.mark.parametrize(
    ("size", "scheme"), [(PHONE, "light"), (DESK, "dark")], ids=["phone by day", "desk by night"]
)
def test_nobody_is_kept_out_by_how_they_see_or_point(
    browser: Browser, shop: Shop, size: dict[str, int], scheme: str
) -> None:
    if not AXE.exists():
        pytest.skip("no axe-core: npm ci")
    context, page = inside(browser, shop, viewport=size, color_scheme=scheme)
    axe, found = AXE.read_text(encoding="utf-8"), []
    for path in (*PATHS, "/sign-in"):
        if path == "/sign-in":
            context.clear_cookies()
        page.goto(shop.base + path)
        page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        page.evaluate(axe)
        report = page.evaluate("axe.run()")
        assert report["passes"]
        for fault in report["violations"]:
            if fault["impact"] != "minor":
                nodes = [node["html"][:120] for node in fault["nodes"][:3]]
                found.append(f"{path}: {fault['id']}: {nodes}")
    context.close()
    assert found == []


def test_pages_fit_a_phone_and_ask_nobody_else_for_anything(browser: Browser, shop: Shop) -> None:
    context, page = inside(browser, shop, viewport=PHONE)
    for path in PATHS:
        page.goto(shop.base + path)
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= PHONE["width"], path
    fonts = page.evaluate("document.fonts.ready.then(f => [...f].map(x => x.status))")
    context.close()
    assert "loaded" in fonts
    assert shop.elsewhere == []
    # The wrong question among the paths is the one answer that is no success.
    assert [c for c in shop.complaints if "422" not in c] == []


def test_the_day_of_somebody_who_uses_keys_alone(browser: Browser, shop: Shop) -> None:
    context, page = inside(browser, shop)
    page.goto(f"{shop.base}/search")
    page.evaluate("window.notReloaded = true")
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "q"
    page.keyboard.type("ip:10.20.1.11")
    page.keyboard.press("Enter")
    page.wait_for_selector("#results tr[tabindex]")
    assert page.evaluate("window.notReloaded")
    assert "q=ip%3A10.20.1.11" in page.url
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    assert "demo-s001" in page.evaluate("document.activeElement.innerText")
    page.keyboard.press("Enter")
    assert page.locator("#row[open] dd").count() == 5
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    assert page.locator("#keys[open]").count() == 1
    page.keyboard.press("Escape")
    page.go_back()
    page.wait_for_selector("text=ถามอะไรได้บ้าง")
    context.close()
    assert shop.complaints == []


def test_a_session_can_be_ended_on_a_narrow_screen(browser: Browser, shop: Shop) -> None:
    shop.house.live.lines = [replace(LINE, name="สมชาย นามสกุลยาวมากเป็นพิเศษ ณ อยุธยา")]
    context, page = inside(browser, shop, viewport={"width": 1100, "height": 800})
    page.goto(f"{shop.base}/sessions")
    ends = page.locator("form[action$='/end'] button")
    box = ends.bounding_box()
    assert box is not None
    assert box["x"] + box["width"] <= 1100
    ends.click(trial=True)  # nothing lies over it
    context.close()


def test_a_refused_sender_is_allowed_by_keys_alone(browser: Browser, shop: Shop) -> None:
    context, page = inside(browser, shop)
    context.grant_permissions(["clipboard-read", "clipboard-write"], origin=shop.base)
    page.goto(f"{shop.base}/sources?lang=en")
    page.focus("[data-copies=allow-1]")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=Copied")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == '[[exporters]]\naddress = "198.51.100.9"\nsite = "default"\n'
    page.evaluate("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    page.focus("[data-copies=allow-2]")
    page.keyboard.press("Space")
    assert "2001:db8::9" in page.evaluate("getSelection().toString()")
    context.close()
    assert shop.complaints == []


def test_what_was_written_into_a_log_never_runs(browser: Browser, shop: Shop) -> None:
    context, page = inside(browser, shop)
    asked: list[str] = []

    def hear(dialog: Dialog) -> None:
        asked.append(dialog.message)
        dialog.dismiss()

    page.on("dialog", hear)
    page.goto(f"{shop.base}/search?q=*")
    page.dblclick("#results tr[tabindex]:nth-child(2) td:first-child")
    assert "<script>" in page.inner_text("#row[open] dl")
    page.goto(f"{shop.base}/who?address=10.20.1.11")
    assert "<script>" in page.inner_text("#results")
    context.close()
    assert asked == []


def test_nothing_is_disabled_by_one_click(browser: Browser, shop: Shop) -> None:
    context, page = inside(browser, shop)
    page.goto(f"{shop.base}/people")
    page.click("summary")
    page.fill("#account", "s1")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    page.once("dialog", lambda dialog: dialog.dismiss())
    page.click("td button:has-text('ปิดบัญชี')")
    assert not shop.house.staff.lines[0].disabled
    page.once("dialog", lambda dialog: dialog.accept())
    with page.expect_navigation():
        page.click("td button:has-text('ปิดบัญชี')")
    context.close()
    assert shop.house.staff.lines[0].disabled


def test_everything_works_without_script(browser: Browser, shop: Shop) -> None:
    context, page = inside(browser, shop, java_script_enabled=False)
    page.goto(f"{shop.base}/search")
    page.fill("#q", "port:443")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    assert page.locator("#results tr[tabindex]").count() == 2
    with page.expect_navigation():
        page.click("#results a.pivot >> nth=0")
    assert "AND" in page.input_value("#q")
    context.close()
