"""Whatever comes and goes stands in the messages once and in order, none of them too long."""

from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st

from appliance.privileged import netlink
from appliance.privileged.batch import DELETE_ELEMENT, NEW_ELEMENT, batch
from captive_portal.gate.elements import Order

KEYS = st.sampled_from([4, 12, 16, 24]).flatmap(
    lambda size: st.binary(min_size=size, max_size=size)
)
ELEMENTS = st.tuples(
    KEYS, st.integers(0, (1 << 32) - 1), st.none() | st.integers(1000, 1 << 40)
)  # fmt: skip
ORDERS = st.lists(
    st.builds(Order, st.sampled_from(["session4", "download6"]), st.booleans(), st.lists(ELEMENTS))
)


@given(ORDERS, st.integers(1, 1 << 20))
def test_what_is_ordered_is_what_is_sent(orders: list[Order], first: int) -> None:
    data, last = batch("prathu", orders, first)
    told = list(netlink._messages(data))
    assert [number for *_, number, _ in told] == list(range(first, last + 2))
    assert [number for _, flags, number, _ in told if flags & netlink.ACK] == (
        [last] if last > first else []
    )
    sent = []
    for kind, _, _, payload in told[1:-1]:
        parts = dict(netlink._attributes(payload[4:]))
        assert parts[1] == b"prathu\0"
        for _, element in netlink._attributes(parts[3]):
            inside = dict(netlink._attributes(element))
            mark = dict(netlink._attributes(inside.get(2, b""))).get(1)
            sent.append(
                (
                    kind,
                    parts[2].rstrip(b"\0").decode(),
                    dict(netlink._attributes(inside[1]))[1],
                    None if mark is None else struct.unpack("=I", mark)[0],
                    int.from_bytes(inside[4], "big") if 4 in inside else None,
                )
            )
    assert sent == [
        (NEW_ELEMENT, order.map, key, mark, ends)
        if order.comes
        else (DELETE_ELEMENT, order.map, key, None, ends)
        for order in orders
        for key, mark, ends in order.elements
    ]


def test_a_long_order_is_several_messages() -> None:
    many = [(number.to_bytes(4, "big"), number, 3_600_000) for number in range(1, 5000)]
    data, last = batch("prathu", [Order("download4", True, many)], 1)
    told = list(netlink._messages(data))
    assert last == len(told) - 1 > 3
    for kind, _, _, payload in told[1:-1]:
        assert kind == NEW_ELEMENT
        assert len(payload) < 1 << 16
