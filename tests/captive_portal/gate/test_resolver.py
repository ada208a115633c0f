"""dnsmasq itself takes the files; they say what each zone needs and nothing of another."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from captive_portal.gate import resolver
from captive_portal.gate.plan import Plan
from captive_portal.settings import Gateway
from tests.captive_portal.gate.plans import PUPILS, STAFF, plan_of
from tests.integration.machine import PATH

URL = "https://login.school.example:8443/"
PLANS = [
    plan_of(),
    plan_of(public_url=URL),
    plan_of(
        PUPILS,
        STAFF.model_copy(update={"portal": False}),
        gateway=Gateway(uplink="wan0", upstream_dns=("192.0.2.53", "2001:db8::53")),
        public_url=URL,
    ),
]


@pytest.mark.parametrize("plan", PLANS)
def test_dnsmasq_accepts_its_files(plan: Plan, tmp_path: Path) -> None:
    if not shutil.which("dnsmasq", path=PATH):
        pytest.skip("dnsmasq is not installed")
    for daemon in resolver.daemons(plan, tmp_path):
        path = tmp_path / daemon.name
        path.write_text(daemon.config, encoding="ascii")
        command = ["dnsmasq", "--test", "-C", str(path)]
        done = subprocess.run(command, capture_output=True, env={**os.environ, "PATH": PATH})
        assert done.returncode == 0, done.stderr


def configs(plan: Plan) -> dict[str, str]:
    return {each.name: each.config for each in resolver.daemons(plan, Path("/gate"))}


def test_each_zone_has_its_resolvers_and_its_own_garden() -> None:
    made = configs(plan_of())
    assert list(made) == [
        "dnsmasq-pupils", "dnsmasq-staff-room", "dnsmasq-captive-pupils",
        "dnsmasq-captive-staff-room",
    ]  # fmt: skip
    captive = made["dnsmasq-captive-pupils"]
    assert (
        "nftset=/learn.example/4#inet#prathu#garden4_pupils,6#inet#prathu#garden6_pupils" in captive
    )
    assert "server=/captive.apple.com/10.20.0.1" in captive
    assert "nftset" not in made["dnsmasq-captive-staff-room"]


def test_devices_are_told_of_the_page_and_where_nobody_signs_in_of_that() -> None:
    made = configs(PLANS[2])
    api = "https://login.school.example:8443/captive-portal/api"
    assert f"dhcp-option-force=114,{api}\n" in made["dnsmasq-pupils"]
    assert f"dhcp-option-force=option6:103,{api}\n" in made["dnsmasq-pupils"]
    assert "dnsmasq-captive-staff-room" not in made
    assert "constructor" not in made["dnsmasq-staff-room"]
    assert "ra-" not in made["dnsmasq-pupils"]  # the box advertises itself
    assert "114" not in configs(plan_of())["dnsmasq-pupils"]


def test_a_zone_without_leases_lends_no_addresses() -> None:
    zone = STAFF.model_copy(update={"leases": ""})
    assert "dhcp" not in configs(plan_of(zone))["dnsmasq-staff-room"]
