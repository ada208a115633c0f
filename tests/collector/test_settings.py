"""Wrong settings are told in one line: what, where, and what to do."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from collector import settings
from collector.errors import SettingsError
from collector.settings.models import LogName
from collector.store.schema import LOGS

SITE = '[[sites]]\nid = "school-a"\n'
EXPORTER = '[[exporters]]\naddress = "192.0.2.1"\nsite = "school-a"\n'


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (
            EXPORTER + '[[exporters]]\nadress = "192.0.2.2"\nsite = "school-a"\n',
            "exporters number 2, adress is unknown; did you mean 'address'?",
        ),
        ('[[exporters]]\nsite = "school-a"\n', "exporters number 1, address is missing"),
        (
            '[listen]\nflows = "0.0.0.0:2055"\n',
            "listen.flows: wanted a list, in square brackets, got '0.0.0.0:2055'",
        ),
        (
            '[listen]\nflows = ["0.0.0.0:70000"]\n',
            "listen.flows number 1: wanted ADDRESS:PORT, for instance 0.0.0.0:2055, "
            "got '0.0.0.0:70000'",
        ),
        (
            'uplinks = [{ site = "school-a", interface = "ppp0", ask = "gopher://x" }]\n',
            "uplinks number 1, ask: wanted http://… or https://…, got 'gopher://x'",
        ),
        ("sflow = 300\n", "sflow: wanted a table, got 300"),
        (
            "[retention]\ndays = 89\n",
            "retention.days: the Computer Crime Act, section 26, asks for 90 days at least, got 89",
        ),
    ],
)
def test_a_wrong_setting_is_named_with_its_place(tmp_path: Path, wrong: str, told: str) -> None:
    at_top = not wrong.startswith("[")
    (tmp_path / "prathu.toml").write_text(wrong + SITE if at_top else SITE + wrong)
    with pytest.raises(SettingsError) as found:
        settings.load(tmp_path)
    hint = "mend it in prathu.toml or prathu.d, then: prathu check"
    assert str(found.value) == f"settings: {told}; {hint}"


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (
            'ipfix_tcp = ["0.0.0.0:5514"]',
            "listen: 0.0.0.0:5514 stands under syslog_tcp and under ipfix_tcp",
        ),
        (
            'flows = ["0.0.0.0:5514"]',
            "listen: 0.0.0.0:5514 stands under flows and under syslog_udp",
        ),
    ],
)
def test_one_port_is_for_one_kind_of_data(tmp_path: Path, wrong: str, told: str) -> None:
    (tmp_path / "prathu.toml").write_text(f"{SITE}[listen]\n{wrong}\n")
    with pytest.raises(SettingsError) as found:
        settings.load(tmp_path)
    assert str(found.value) == f"{told}; give each a port of its own"


def test_any_free_port_may_be_asked_for_often(tmp_path: Path) -> None:
    free = '["127.0.0.1:0"]'
    listen = f"[listen]\nflows = {free}\nsyslog_udp = {free}\nsyslog_tcp = {free}\n"
    (tmp_path / "prathu.toml").write_text(SITE + listen)
    assert settings.load(tmp_path).listen.flows == ("127.0.0.1:0",)


def test_retention_can_be_set_for_each_log_there_is() -> None:
    assert set(get_args(LogName)) == set(LOGS)


def test_a_log_has_one_retention(tmp_path: Path) -> None:
    twice = '[[retention.logs]]\nlog = "flows"\ndays = 365\n' * 2
    (tmp_path / "prathu.toml").write_text(SITE + twice)
    with pytest.raises(SettingsError, match=r"retention\.logs: a log stands there twice"):
        settings.load(tmp_path)
