"""What several sections of the settings are made of."""

from __future__ import annotations

import ipaddress
from typing import Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A part of the settings: immutable, and strict about names."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def network_text(value: str) -> str:
    """Return a network in its one spelling. Raises ValueError."""
    return str(ipaddress.ip_network(value, strict=False))


def https_url(value: str) -> str:
    """Return an https address, or nothing, as it is. Raises ValueError."""
    parts = urlsplit(value)
    if value and (parts.scheme != "https" or not parts.hostname or parts.username is not None):
        raise ValueError(f"{value!r} is no https address, as https://wifi.school.example/")
    return value


class OutsideGroup(Section):
    """A group of a directory, and what its people are here. The first that fits counts."""

    outside: str
    """What the directory calls it: its whole DN, or its plain name; of RADIUS the value of Class
    or Filter-Id."""
    group: str = ""
    """Name of the site's group that they are in; empty: that of their kind."""
    kind: Literal["", "pupil", "teacher", "staff", "guest"] = ""
    """What they are here; empty: as they are, a pupil at first sight."""
