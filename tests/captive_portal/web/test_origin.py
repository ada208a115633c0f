"""Forms from pages of other sites are refused, with one sentence, and counted."""

from __future__ import annotations

import html
import http.server
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest
from typing_extensions import override

from captive_portal.people.accounts import People
from tests.captive_portal.collector_stub import CollectorStub
from tests.captive_portal.conftest import Start
from tests.captive_portal.web.test_app import School, notices, school, token

__all__ = ["notices", "school"]
HOST = "http://portal.test"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 303),
        ({"origin": HOST}, 303),
        ({"origin": "HTTP://Portal.Test", "sec-fetch-site": "same-origin"}, 303),
        ({"origin": "null"}, 303),
        ({"sec-fetch-site": "none"}, 303),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "https://portal.test"}, 403),
        ({"origin": f"{HOST}:8080", "sec-fetch-site": "same-site"}, 403),
        ({"origin": f"{HOST}.evil.example"}, 403),
        ({"origin": "null", "sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "Cross-Site"}, 403),
    ],
)
def test_a_form_counts_only_from_the_page_itself(
    school: School, headers: dict[str, str], status: int
) -> None:
    device = school.device()
    form = {
        "account": "somchai",
        "password": "correct horse",
        "token": token(device.get("/").text),
    }
    answer = device.post("/", data=form, headers=headers)
    assert answer.status_code == status
    refused = status == 403
    assert ("ส่งมาจากเว็บอื่น" in answer.text) == refused
    assert bool(school.desk.sessions) != refused
    chain = school.app._chain
    assert chain.counts["from another site"] == refused
    # Whoever follows a link from elsewhere reads the page as ever.
    assert device.get("/", headers=headers).status_code == 200


def test_no_other_form_of_the_page_is_taken_from_elsewhere(school: School) -> None:
    device = school.device(origin="http://evil.example")
    for path in ("/", "/password", "/session", "/session/password", "/portal/mikrotik"):
        assert "ส่งมาจากเว็บอื่น" in device.post(path, data={"token": "x"}).text


@pytest.fixture
def trap(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """Give a folder and the address at which another site serves it."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args: object, **more: object) -> None:
            super().__init__(*args, directory=str(tmp_path / "trap"), **more)  # type: ignore[arg-type]  # as given

        @override
        def log_message(self, *_: object) -> None:
            pass

    (tmp_path / "trap").mkdir()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield tmp_path / "trap", f"http://localhost:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed")
def test_chromium_cannot_be_made_to_sign_in_as_somebody_else(
    start: Start, collector: CollectorStub, people: People, trap: tuple[Path, str]
) -> None:
    from playwright.sync_api import sync_playwright

    del people
    portal, (folder, base) = start(), trap
    with urlopen(portal.url) as page:
        stolen = token(page.read().decode())
    form = (
        f'<form method="post" action="{portal.url}/"><input name="account" value="somchai">'
        f'<input name="password" value="correct horse"><input name="token" value="{stolen}">'
        "<button>win</button></form>"
    )
    (folder / "form.html").write_text(form)
    boxed = f'<iframe sandbox="allow-forms" srcdoc="{html.escape(form)}"></iframe>'
    (folder / "boxed.html").write_text(boxed)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        page_ = browser.new_page()
        for name in ("form", "boxed"):
            page_.goto(f"{base}/{name}.html")
            inside = page_ if name == "form" else page_.frame_locator("iframe")
            with page_.expect_response(lambda answer: answer.request.method == "POST") as seen:
                inside.get_by_role("button").click()
            assert seen.value.status == 403, name
        assert collector.sessions == []
        page_.goto(portal.url)
        page_.get_by_label("ชื่อผู้ใช้").fill("somchai")
        page_.get_by_label("รหัสผ่าน").fill("correct horse")
        page_.get_by_label("รหัสผ่าน").press("Enter")
        page_.wait_for_url("**/session**")
        browser.close()
    assert [event.event for event in collector.sessions] == ["start"]
