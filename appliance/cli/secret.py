"""A secret that somebody types, or that a program hands over on standard input."""

from __future__ import annotations

import sys

import typer

from appliance.errors import WrongUse


def typed(what: str) -> str:
    """Return a secret that somebody types, or the next line of standard input."""
    if sys.stdin.isatty():
        return str(typer.prompt(what, hide_input=True, err=True))
    line = sys.stdin.readline(4096).rstrip("\r\n")
    if not line:
        raise WrongUse(f"{what}: standard input has no further line")
    return line
