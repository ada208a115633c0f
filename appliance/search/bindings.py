"""Who held an address when, from the rows of the logs `sessions` and `leases` alone.

The rows are told to the same timeline that attributes flows, so that `who` and the rows cannot
follow different rules.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv6Network

from appliance.search import addresses
from appliance.search.addresses import Address
from collector.attribute.lent import parsed
from collector.attribute.rows import Row, lease_event, session_event
from collector.attribute.session import OPEN_US
from collector.attribute.timeline import Timeline
from collector.records import Binding

Span = tuple[int, int | None]
"""From when until when, µs; None: still on."""

_SHOWN = ("account", "full_name", "mac", "nas", "nas_port", "ssid", "proofing")


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A session held the address during [start_us, end_us); an end of None is still to come."""

    site: str
    session: str
    person: str
    method: str
    start_us: int
    end_us: int | None
    account: str = ""
    full_name: str = ""
    mac: str = ""
    nas: str = ""
    nas_port: str = ""
    ssid: str = ""
    proofing: str = ""
    late: bool = False
    """Learnt after the flows of that time were sealed."""

    def covers(self, at_us: int) -> bool:
        """Return whether the address was held at an instant."""
        return self.start_us <= at_us and (self.end_us is None or at_us < self.end_us)


def timeline_of(sessions: Sequence[Row], leases: Sequence[Row] = ()) -> Timeline:
    """Return the timeline that the rows tell."""
    timeline = Timeline()
    for row in sessions:
        timeline.add(session_event(row), 0)
    for row in leases:
        timeline.add_lease(lease_event(row), 0)
    return timeline


def held(rows: Sequence[Row], timeline: Timeline, address: str, late: frozenset[str]) -> list[Held]:
    """Return when each session held `address`.

    Args:
        rows: Of any sessions.
        timeline: What they tell.
        address: In canonical text.
        late: Sessions that were learnt after sealing.
    """
    told = _told(rows)
    return [
        Held(
            site=binding.site,
            session=binding.session,
            person=binding.person,
            method=binding.method,
            start_us=binding.start_us,
            end_us=_end(binding),
            late=binding.session in late,
            **told[binding.site, binding.session],
        )
        for site in sorted({row["site"] for row in rows})
        for binding in timeline.bindings(site, address, -OPEN_US, OPEN_US)
    ]


def prefixes_around(address: Address) -> list[str]:
    """Return all texts by which a session may have named a prefix that holds an address."""
    if address.version == 4:
        return []
    return [str(IPv6Network((address, bits), strict=False)) for bits in range(1, 128)]


def of_address(
    bindings: Sequence[Binding], address: Address, port: int | None = None
) -> list[Binding]:
    """Return bindings; those of a prefix that holds an address as that address's own.

    So too those of a block of ports, if a port of it is asked.
    """
    own, around = addresses.text(address), set(prefixes_around(address))
    return [
        replace(b, address=own) if b.address in around or _of_port(b.address, own, port) else b
        for b in bindings
    ]


def _of_port(held: str, address: str, port: int | None) -> bool:
    lent = parsed(held)
    if lent is None or port is None:
        return False
    block, _ = lent
    return block.nat_ip == address and block.first <= port <= block.last


def spans(rows: Sequence[Row], timeline: Timeline) -> dict[str, Span]:
    """Return from when until when each session held any address."""
    found: dict[str, Span] = {}
    for site in {row["site"] for row in rows}:
        for address in timeline.addresses(site):
            for binding in timeline.bindings(site, address.as_py(), -OPEN_US, OPEN_US):
                end = _end(binding)
                start, last = found.get(binding.session, (binding.start_us, end))
                last = None if last is None or end is None else max(last, end)
                found[binding.session] = (min(start, binding.start_us), last)
    return found


def _end(binding: Binding) -> int | None:
    return None if binding.end_us >= OPEN_US else binding.end_us


def _told(rows: Sequence[Row]) -> dict[tuple[str, str], dict[str, str]]:
    """Return what was told last of each session, for showing."""
    found: dict[tuple[str, str], dict[str, str]] = {}
    for row in sorted(rows, key=lambda row: row["time_us"]):
        of_session = found.setdefault((row["site"], row["session"]), {})
        of_session.update({name: row[name] for name in _SHOWN if row[name]})
    return found
