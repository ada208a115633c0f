"""nft itself takes the ruleset, also over itself, and keeps what was written in between."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

from captive_portal.gate import ruleset
from captive_portal.gate.classes import Classes
from captive_portal.settings import Gateway
from tests.captive_portal.gate.plans import PUPILS, STAFF, plan_of
from tests.integration.machine import PATH


def alone(script: str) -> str:
    """Run a shell script in a network namespace of its own."""
    if os.geteuid() != 0 or not shutil.which("nft", path=PATH):
        pytest.skip("nft in a network namespace needs root and nftables")
    done = subprocess.run(
        ["unshare", "--net", "sh", "-eu"],
        input=script,
        capture_output=True,
        text=True,
        env={**os.environ, "PATH": PATH},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def load(text: str, *options: str) -> str:
    return f"nft {' '.join(options)} -f - <<'END'\n{text}\nEND\n"


def classes() -> Classes:
    made = Classes()
    made.add((2000, 8000), ())
    made.add((None, 8000), ())
    return made


GATEWAYS = [
    Gateway(uplink="wan0"),
    Gateway(
        uplink="wan0.7",
        free=("02:00:5e:10:00:01",),
        block=("02:00:5e:10:00:02",),
        manage=("198.51.100.0/24", "2001:db8::/32"),
        doh=("203.0.113.7", "203.0.113.0/24"),
    ),
]


@pytest.mark.parametrize("gateway", GATEWAYS)
def test_nft_accepts_the_ruleset(gateway: Gateway) -> None:
    alone(load(ruleset.render(plan_of(gateway=gateway), classes()), "-c"))
    alone(load(ruleset.render(plan_of(PUPILS, gateway=gateway), Classes()), "-c"))
    open_zone = STAFF.model_copy(update={"portal": False})
    alone(load(ruleset.render(plan_of(open_zone, gateway=gateway), Classes()), "-c"))


def test_a_ruleset_loaded_again_keeps_sessions_and_garden_and_doubles_no_rule() -> None:
    first = ruleset.render(plan_of(), classes())
    second = ruleset.render(plan_of(gateway=GATEWAYS[1]), classes())
    session = "session4 { 02:00:00:00:00:01 . 10.20.0.5 timeout 1h : 0x101 }"
    garden = "garden4_pupils { 192.0.2.80 }"
    said = alone(
        load(first)
        + f"nft add element inet prathu '{session}'\nnft add element inet prathu '{garden}'\n"
        + load(second)
        + load(second)
        + "nft list ruleset\n"
    )
    assert "02:00:00:00:00:01 . 10.20.0.5" in said
    assert "192.0.2.80" in said
    assert said.count("type filter hook forward") == 1
    assert said.count("jump upload") + said.count("goto upload") == 1
    assert said.count("update @up_2000") == 1
    assert 'oifname "wan0.7"' in said
    assert 'oifname "wan0"' not in said


def test_a_class_that_gets_another_speed_is_changed_in_place() -> None:
    one, other = Classes({3: (2000, None)}), Classes({3: (512, None)})
    said = alone(
        load(ruleset.render(plan_of(), one))
        + load(ruleset.class_rules(other))
        + "nft list map inet prathu up_class\n"
    )
    assert "jump up_512" in said
    assert "jump up_2000" not in said
