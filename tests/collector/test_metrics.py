"""What goes wrong often is said seldom, with how often it did."""

from __future__ import annotations

import logging
import time

import pytest

from collector.metrics import SampledLog


def test_a_topic_is_logged_once_per_period_with_the_count_between(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    log = SampledLog(logging.getLogger("test"))
    for _ in range(3):
        log.warn("disk", "no\nroom")
    log.warn("crowd", "too many")
    now[0] += 61
    log.warn("disk", "no room")
    assert [record.message for record in caplog.records] == [
        "no room",
        "too many",
        "no room (2 more since the last such line)",
    ]
