"""What dnsmasq has lent, from its own files; anything else in them is left out."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from appliance.privileged import pools
from captive_portal.gate.resolver import lease_file
from tests.captive_portal.gate.plans import plan_of

NOW = 1_000_000
TOLD = """\
1000600 02:00:5e:10:00:11 10.20.0.50 phone-of-somebody 01:02:00:5e:10:00:11
0 02:00:5e:10:00:12 10.20.0.51 * *
999999 02:00:5e:10:00:13 10.20.0.52 over *
1000600 02:00:5e:10:00:14 10.20.0.2 fixed *
1000600 02:00:5e:10:00:11 10.20.0.50 twice *
duid 00:01:00:01:2e:00:00:00:02:00:5e:10:00:01
1000600 1 2001:db8:20::50 * 00:01
"""


def test_those_that_go_on_are_counted_against_the_pool(tmp_path: Path) -> None:
    plan = plan_of()
    zone = plan.zones[0]
    assert pools.lent(plan, tmp_path, now_s=NOW) == {"pupils": (0, 4041)}
    lease_file(tmp_path, zone).write_text(TOLD)
    assert pools.lent(plan, tmp_path, now_s=NOW) == {"pupils": (2, 4041)}


@given(st.text(max_size=200))
def test_any_text_is_leases_or_nothing(text: str) -> None:
    assert len(list(pools._read(text.splitlines(), NOW))) <= len(text)
