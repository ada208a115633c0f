"""The box's own addresses in its zones, and what the kernel must be told to be a router."""

from __future__ import annotations

import json
import logging
import re
from pathlib import Path

from appliance.errors import BoxError
from appliance.privileged.run import Failed, run
from captive_portal.gate.plan import Plan, ZonePlan

_VLAN = re.compile(r"([A-Za-z0-9_-]+)\.([0-9]{1,4})")
SYSCTL = Path("/proc/sys/net")
CONNECTIONS = {
    "nf_conntrack_acct": "1",
    "nf_conntrack_timestamp": "1",
    "nf_conntrack_tcp_timeout_established": "7440",
}
"""So that the kernel tells of connections what the log asks for (docs/settings.md)."""
NEIGHBOURS = {"gc_thresh1": 2048, "gc_thresh2": 16384, "gc_thresh3": 32768}
"""Neighbours of a family that the kernel remembers: its own 1,024 are fewer than a school has."""
PIECES = {
    "ipv4/ipfrag_high_thresh": ("least", 64 << 20),
    "ipv4/ipfrag_time": ("most", 10),
    "netfilter/nf_conntrack_frag6_high_thresh": ("least", 64 << 20),
    "netfilter/nf_conntrack_frag6_timeout": ("most", 10),
}
"""Octets and seconds for pieces of packets that wait for the others. The kernel's own 4 MB for 30 s
are full with what one device may send (`piece_rate` of config/gate.nft)."""
LOG = logging.getLogger(__name__)


def prepare(plan: Plan) -> None:
    """Give interfaces their addresses, then let packets through: the rules must stand already.

    Raises:
        BoxError: an interface is not there, or the kernel refuses.
    """
    for zone in plan.zones:
        _there(zone)
        run(["ip", "link", "set", "dev", zone.interface, "up"])
        for address in (zone.address, zone.address6):
            if address is not None:
                quick = ["nodad"] if address.version == 6 else []
                run(["ip", "address", "replace", str(address), "dev", zone.interface, *quick])
        _set(f"ipv4/conf/{zone.interface}/send_redirects", "0")
        # Its own word counts at once, and not only a second after another's (`asking`).
        _set(f"ipv4/neigh/{zone.interface}/locktime", "0")
    if not _exists(plan.uplink):
        raise BoxError(
            f"there is no interface {plan.uplink}", hint="see ip link, and [gateway] uplink"
        )
    for name, value in CONNECTIONS.items():
        try:
            _set(f"netfilter/{name}", value)
        except BoxError as error:
            LOG.warning("%s: what the log says of connections is less exact", error)
    _remember_neighbours()
    _keep_pieces_apart()
    _set("ipv4/ip_forward", "1")
    if any(zone.address6 for zone in plan.zones):
        # A router listens to routers' advertisements only if told so twice.
        _set(f"ipv6/conf/{plan.uplink}/accept_ra", "2")
        _set("ipv6/conf/all/forwarding", "1")


def _remember_neighbours() -> None:
    """Let the kernel remember more neighbours, where it remembers fewer."""
    for family in ("ipv4", "ipv6"):
        for name, least in reversed(NEIGHBOURS.items()):
            path = SYSCTL / family / "neigh" / "default" / name
            try:
                # Not there: a namespace, where the whole machine's holds.
                if path.exists() and int(path.read_text()) < least:
                    path.write_text(str(least))
            except (OSError, ValueError) as error:
                LOG.warning("cannot set %s: some devices may be forgotten: %s", path, error)


def _keep_pieces_apart() -> None:
    """Let pieces of many devices wait, none of them for long."""
    for name, (bound, value) in PIECES.items():
        path = SYSCTL / name
        try:
            now = int(path.read_text())
            if (now < value) if bound == "least" else (now > value):
                path.write_text(str(value))
        except (OSError, ValueError) as error:
            LOG.warning("cannot set %s: many pieces of packets may get lost: %s", path, error)


def _there(zone: ZonePlan) -> None:
    if _exists(zone.interface):
        return
    named = _VLAN.fullmatch(zone.interface)
    if named and 0 < int(named[2]) < 4095 and _exists(named[1]):
        vlan = ["type", "vlan", "id", named[2]]
        try:
            run(["ip", "link", "add", "link", named[1], "name", zone.interface, *vlan])
        except Failed as error:
            raise BoxError(
                f"zone {zone.id}: the VLAN {zone.interface} cannot be made: {error}",
                hint="if this kernel has no VLANs (module 8021q), give the zone a card or a bridge",
            ) from error
        return
    raise BoxError(
        f"zone {zone.id}: there is no interface {zone.interface}",
        hint="make it (a bridge, a VLAN), or name another: ip link",
    )


def _exists(interface: str) -> bool:
    try:
        return bool(json.loads(run(["ip", "-j", "link", "show", "dev", interface])))
    except (Failed, ValueError):
        return False


def _set(name: str, value: str) -> None:
    path = SYSCTL / name
    try:
        if path.read_text().strip() != value:
            path.write_text(value)
    except OSError as error:
        raise BoxError(f"cannot set {path} to {value}: {error.strerror}") from error
