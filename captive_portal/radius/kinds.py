"""What each maker's NASes take of dynamic authorization (RFC 5176), from their documentation.

What a box has to do with a NAS that cannot be told hangs on it: see `docs/radius.md`.
"""

from __future__ import annotations

from typing import Literal

from captive_portal.settings import NasKind

Takes = Literal["coa", "disconnect", "none"]
"""CoA and Disconnect; Disconnect alone; or neither."""

TAKES: dict[NasKind, Takes] = {
    "mikrotik": "coa",
    "chillispot": "coa",
    "aruba": "coa",
    "ruckus": "coa",
    "generic": "coa",
    "cisco": "disconnect",
    "fortigate": "disconnect",
    "unifi": "disconnect",
    "omada": "disconnect",
    "ruijie": "disconnect",
    "pfsense": "none",
    "opnsense": "none",
}
_TIMES = frozenset({"until", "idle_s", "vlan"})
_SPEED = _TIMES | {"up_kbit", "down_kbit"}
SEES: dict[NasKind, frozenset[str]] = dict.fromkeys(TAKES, _SPEED)
"""The terms that a NAS is told at all, as fields of `NasTerms`."""
SEES |= {
    "mikrotik": _SPEED | {"most_bytes"},
    "chillispot": _SPEED | {"most_bytes"},
    "ruckus": _SPEED | {"group"},
    "aruba": _TIMES | {"group"},
    "fortigate": _TIMES | {"group"},
}
BY_NAME: frozenset[NasKind] = frozenset({"mikrotik", "chillispot", "fortigate"})
"""Kinds that find a session only with its User-Name."""
BY_ADDRESS: frozenset[NasKind] = frozenset({"fortigate"})
"""Kinds that find a session only with its address, and refuse what names themselves."""
