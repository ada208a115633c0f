"""Sheets of paper: slips with one-time passwords, vouchers with QR codes; two columns on A4.

A sheet is shown once, by the page that made it or in the file that the command line was told.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

import segno

from appliance.web.render import STATIC, environment
from appliance.web.texts import Texts
from captive_portal.people.slips import Slip
from captive_portal.people.vouchers import Printed


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper:
    """One slip or voucher on a sheet."""

    heading: str
    """Who it is for."""
    small: str
    lines: Sequence[tuple[str, str]]
    """What stands before a word, and the word, in large letters."""
    foot: str
    qr: str = ""
    """As SVG; empty: none."""


def slip_papers(slips: Sequence[Slip], t: Texts) -> list[Paper]:
    """Return slips with one-time passwords."""
    return [
        Paper(
            heading=slip.full_name or slip.account,
            small=slip.class_name,
            lines=((t("Account"), slip.account), (t("Password"), slip.password)),
            foot=t("It works once: choose your own password at the first sign-in."),
        )
        for slip in slips
    ]


def voucher_papers(made: Sequence[Printed], t: Texts, *, url: str) -> list[Paper]:
    """Return vouchers.

    Args:
        made: Those just made.
        t: The language.
        url: The sign-in page's public address, which the QR code leads to; empty: no QR code.
    """
    return [
        Paper(
            heading=one.for_whom or t("Guest (the name is asked for at sign-in)"),
            small=_how_long(one, t),
            lines=((t("Code"), one.code),),
            foot=t("Type the code on the sign-in page, at “Visitors with a voucher”."),
            qr=_qr(f"{url.rstrip('/')}/?voucher={quote(one.code)}") if url else "",
        )
        for one in made
    ]


def poster_papers(names: Sequence[str], t: Texts, *, url: str, typed: str) -> list[Paper]:
    """Return posters for rooms.

    Args:
        names: What stands above, one a poster: the zone.
        t: The language.
        url: The sign-in page's address, which the QR code leads to.
        typed: The same as short as people can type it.
    """
    return [
        Paper(
            heading=name,
            small=t("Join the Wi-Fi. The sign-in window opens by itself; if not:"),
            lines=((t("Open"), typed),),
            foot=t("Or point the camera at the square. Sign in with your own account."),
            qr=_qr(url),
        )
        for name in names
    ]


def sheet(
    papers: Sequence[Paper], t: Texts, *, title: str, alone: bool, large: bool = False
) -> str:
    """Return a sheet as HTML.

    Args:
        papers: What is on it.
        t: The language.
        title: Of the document.
        alone: It is a file of its own and brings its style along.
        large: Each has a page of its own, to be read on a wall; nothing on it is secret.
    """
    style = (STATIC / "print.css").read_text(encoding="utf-8") if alone else ""
    template = environment().get_template("print.html")
    return template.render(papers=papers, _=t, t=t, title=title, style=style, large=large)


def _how_long(one: Printed, t: Texts) -> str:
    until = t("until {time}", time=t.moment(one.last_minute, seconds=False))
    if one.minutes is None:
        return until
    return t("{minutes} minutes from the first sign-in, {until}", minutes=one.minutes, until=until)


def _qr(text: str) -> str:
    code = segno.make(text, error="m", micro=False)
    return code.svg_inline(scale=3, border=2, svgclass=None, lineclass=None, omitsize=False)
