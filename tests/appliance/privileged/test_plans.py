"""The gate's plan takes from all settings what it needs."""

from __future__ import annotations

import tomllib

import pytest

from appliance.privileged import plans
from appliance.settings import BoxSettings
from captive_portal.errors import PortalError
from tests.integration.gate_school import SETTINGS

SITES = """
[[sites]]
id = "school-a"
[[exporters]]
address = "192.0.2.1"
site = "school-a"
port = 2056
[[radius.clients]]
network = "192.0.2.0/28"
secret_file = "nas/school-a"
site = "school-a"
"""


def settings(text: str) -> BoxSettings:
    return BoxSettings.model_validate(tomllib.loads(text))


def test_a_box_beside_has_no_gate() -> None:
    assert plans.of(settings(SITES)) is None


def test_exporters_and_nases_may_come_in() -> None:
    plan = plans.of(settings(SITES + SETTINGS))
    assert plan is not None
    assert [str(net) for net in plan.ports.senders] == ["192.0.2.1/32", "192.0.2.0/28"]
    assert {2055, 2056, 5514, 1812, 1813, 3799} <= set(plan.ports.senders_udp)
    assert {4739, 6514} <= set(plan.ports.senders_tcp)
    assert plan.ports.page == 8080


def test_settings_that_contradict_one_another_are_told() -> None:
    with pytest.raises(PortalError, match="share addresses"):
        plans.of(settings(SITES + SETTINGS.replace("10.30.", "10.20.")))
