"""What the box tells of itself becomes rows."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

from collector.decode import own_events
from collector.records import Frame, FrameKind, LeaseEvent, SessionEvent
from collector.store.schema import LEASES, SESSIONS

_WHEN = datetime(2026, 11, 22, 1, 2, 3, 4, tzinfo=UTC)


def _frame(number: int, payload: bytes) -> Frame:
    return Frame(
        kind=FrameKind.LEASE,
        site="school-a",
        received_ns=7_000,
        wire_ns=7_000,
        transport="local",
        payload=payload,
        number=number,
    )


def test_a_lease_becomes_a_row_of_the_log_leases() -> None:
    lease = LeaseEvent(
        time=_WHEN,
        site="school-a",
        kind="dhcp",
        event="add",
        ip="10.0.0.5",
        mac="02:00:5e:00:53:01",
        hostname="somchai-phone",
        expires=_WHEN,
        server="10.0.0.1",
        port_first=1024,
        source="/var/lib/misc/dnsmasq.leases",
    )
    found = own_events.read([_frame(3, lease.to_json()), _frame(4, b"{}")])
    assert found.malformed == 1

    rows = own_events.lease_rows("school-a", found.leases)
    assert rows.frame.tolist() == [3]
    (row,) = LEASES.table(rows).to_pylist()
    assert {name: value for name, value in row.items() if value is not None} == {
        "time": _WHEN,
        "received": datetime(1970, 1, 1, 0, 0, 0, 7, tzinfo=UTC),
        "source": "/var/lib/misc/dnsmasq.leases",
        "site": "school-a",
        "kind": "dhcp",
        "event": "add",
        "ip": "10.0.0.5",
        "mac": "02:00:5e:00:53:01",
        "expires": _WHEN,
        "server": "10.0.0.1",
        "port_first": 1024,
        "hostname": "somchai-phone",
    }


def test_a_prefix_is_listed_and_is_no_address() -> None:
    session = SessionEvent(
        event_id=UUID(int=1),
        session=UUID(int=2),
        event="start",
        time=_WHEN,
        site="school-a",
        method="accounting",
        addresses=("2001:db8:1::/64", "2001:db8:1::5"),
    )
    alone = replace(session, addresses=("2001:db8:1::/64",))
    rows = own_events.session_rows("school-a", [(1, 7, session), (2, 7, alone)])
    known = [(row["ip"], row["addresses"]) for row in SESSIONS.table(rows).to_pylist()]
    assert known == [
        ("2001:db8:1::5", '["2001:db8:1::/64", "2001:db8:1::5"]'),
        (None, '["2001:db8:1::/64"]'),
    ]


def test_syslog_of_a_dhcp_server_tells_of_leases_and_other_syslog_of_nothing() -> None:
    said = b"<30>dnsmasq-dhcp[7]: DHCPACK(br0) 10.0.0.5 02:00:5e:00:53:01 somchai-phone"
    frames = [
        _frame(3, said)._replace(kind=FrameKind.SYSLOG, address="192.0.2.1"),
        _frame(4, b"<30>sshd: nothing of that")._replace(kind=FrameKind.SYSLOG),
    ]
    found = own_events.read(frames)
    ((number, _, lease),) = found.leases
    assert (number, lease.ip, lease.hostname) == (3, "10.0.0.5", "somchai-phone")
    assert found.malformed == 0
