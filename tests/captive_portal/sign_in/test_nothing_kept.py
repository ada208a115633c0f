"""The password of a failed sign-in is nowhere afterwards: no log, no database, no queue (P-09)."""

import logging
import re
import urllib.error
import urllib.parse
import urllib.request

import pytest

from captive_portal.people.accounts import People
from tests.captive_portal.collector_stub import CollectorStub
from tests.captive_portal.conftest import Start

WRONG = "WrongSecretOfSomebody"


def test_the_password_of_a_failed_try_is_nowhere(
    start: Start, people: People, collector: CollectorStub, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    box = start()
    with urllib.request.urlopen(box.url) as answer:
        page = answer.read().decode()
    token = re.search(r'name="token" value="([^"]+)"', page)
    assert token is not None
    for account in ("somchai", "nobody", WRONG):
        form = {"account": account, "password": WRONG, "token": token[1]}
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(box.url, urllib.parse.urlencode(form).encode())
        assert refused.value.code == 403
    box.stop()
    assert people.find("school-a", WRONG) is None
    kept = [path for path in box.home.rglob("*") if path.is_file()]
    assert any(path.suffix == ".sqlite" for path in kept)
    assert [path for path in kept if WRONG.encode() in path.read_bytes()] == []
    assert WRONG not in caplog.text
    assert collector.sessions == []
    assert WRONG not in repr(collector.audits)
