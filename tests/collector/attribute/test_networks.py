"""An address is inside exactly where the library of the language says so."""

from __future__ import annotations

import ipaddress

import pyarrow as pa
from hypothesis import example, given
from hypothesis import strategies as st

from collector.attribute.networks import Networks

V4 = st.builds(
    lambda n, bits: str(ipaddress.ip_network((n, bits), strict=False)),
    st.integers(0, 2**32 - 1),
    st.integers(0, 32),
)
V6 = st.builds(
    lambda n, bits: str(ipaddress.ip_network((n, bits), strict=False)),
    st.integers(0, 2**128 - 1) | st.integers(0, 2**17).map(lambda n: n << 96),
    st.integers(0, 128),
)


@given(st.lists(V4 | V6, max_size=4), st.data())
@example(["fc00::/7", "10.0.0.0/8"], None)
def test_inside_is_what_the_networks_hold(networks: list[str], data: st.DataObject | None) -> None:
    parsed = [ipaddress.ip_network(network) for network in networks]
    near = [int(n.network_address) for n in parsed] + [int(n.broadcast_address) for n in parsed]
    numbers = [number + step for number in near for step in (-1, 0, 1)]
    if data is not None:
        numbers += data.draw(st.lists(st.integers(0, 2**128 - 1), max_size=4))
    addresses: list[ipaddress.IPv4Address | ipaddress.IPv6Address]
    addresses = [ipaddress.IPv4Address(n) for n in numbers if 0 <= n < 2**32]
    addresses += [ipaddress.IPv6Address(n) for n in numbers if 0 <= n < 2**128]
    found = Networks(networks).inside(pa.array([str(a) for a in addresses], pa.string()))
    assert found.tolist() == [any(a in n for n in parsed) for a in addresses]


def test_no_networks_hold_nothing_and_what_is_no_address_is_outside() -> None:
    texts = pa.array(["10.0.0.1", "fd00::1", "10.x.y.z", "fd00:", None, ""], pa.string())
    assert not Networks(()).inside(texts).any()
    inside = Networks(("10.0.0.0/8", "fc00::/7")).inside(texts)
    assert inside.tolist() == [True, True, False, False, False, False]
