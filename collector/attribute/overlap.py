"""What one address has of several words about it: joined bindings, and machines in their way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from collector.attribute.lease import Lease
from collector.records import Binding


def joined(bindings: Sequence[Binding], address: str) -> list[Binding]:
    """Return the bindings as of `address`; those of one session that overlap are one."""
    found: list[Binding] = []
    for binding in sorted(bindings, key=lambda b: (b.session, b.person, b.method, b.start_us)):
        last = found[-1] if found else None
        same = last is not None and (last.session, last.person, last.method) == (
            binding.session,
            binding.person,
            binding.method,
        )
        if last is not None and same and binding.start_us <= last.end_us:
            found[-1] = replace(last, end_us=max(last.end_us, binding.end_us))
        else:
            found.append(replace(binding, address=address))
    return found


def strangers(held: Sequence[Binding], macs: Mapping[str, str], told: Lease) -> list[Binding]:
    """Return bindings of nobody known, where a lease gives a held address to another machine.

    They last no longer than what they are in the way of.
    The machine that had the address when the binding began is no stranger, whatever MAC the
    session names: behind a router, sessions name that of the router.

    Args:
        held: The bindings of the address.
        macs: The MAC of each session, empty for one that names none.
        told: Which machines had the address.
    """
    found = []
    for binding in held:
        mac = macs[binding.session]
        own = (mac, told.at(binding.start_us))
        for span in told.spans if mac else ():
            meets = binding.start_us < span.start < binding.end_us
            if meets and span.mac not in own:
                until = min(span.end, binding.end_us)
                stranger = replace(binding, start_us=span.start, end_us=until)
                found.append(replace(stranger, person="", session=""))
    return found
