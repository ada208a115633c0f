"""The pages: one typed context each, and the templates that show them."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from captive_portal.web import device_words
from captive_portal.web.handover.hint import Form
from captive_portal.web.looks import Look
from captive_portal.web.own_device import OwnDevice
from captive_portal.web.texts import Texts
from captive_portal.web.wifi_words import Words

_HERE = Path(__file__).parent
STYLE = (_HERE / "portal.css").read_text(encoding="utf-8")
_templates = Environment(
    loader=FileSystemLoader(_HERE / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What every page shows."""

    t: Texts
    site_name: str
    look: Look
    here: str
    """The page's path, for the link to the other language."""
    message: str = ""
    """A sentence on what went wrong, or nothing."""
    wifi: str = ""
    """Of a link to the page about Wi-Fi with 802.1X, where there is some."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInPage(Page):
    """The form for account and password."""

    token: str
    account: str = ""
    signed_in_as: str = ""
    ended: str = ""
    """Why nobody is signed in on this device any more."""
    keep_days: int
    vouchers: bool = False
    """Whether codes of vouchers are taken here."""
    code: str = ""
    """Of a voucher, as a QR code brought it, or as it was typed."""
    at_code: bool = False
    """The message is about the code."""
    wants_name: bool = False
    """The code is good, and the guest's name is wanted."""
    providers: tuple[tuple[str, str], ...] = ()
    """Id and name of each that has a button here."""
    action: str = "/"
    """Where the form goes."""
    query: str = ""
    """What another maker's gateway said of the device, as it came."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionPage(Page):
    """Who is signed in on this device, and the way out."""

    token: str
    name: str
    account: str
    address: str
    until: datetime | None
    done: str = ""
    """What was just done, or nothing."""
    left_bytes: int | None = None
    up_kbit: int | None = None
    down_kbit: int | None = None
    slow: bool = False
    devices: str = ""
    """Of a link to the page of their devices, where there is one."""
    own_password: bool = False
    """Whether the password is this box's, and so can be changed here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordPage(Page):
    """The form for a new password at first use."""

    token: str
    person: str
    action: str = "/password"
    query: str = ""
    """As of the sign-in page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContinuePage(Page):
    """A button that takes the device back to another maker's gateway."""

    heading: str
    why: str
    button: str
    form: Form


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangePage(Page):
    """The form with which somebody signed in changes the password."""

    token: str
    account: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticePage(Page):
    """What is kept, why, how long, who sees it."""

    parts: tuple[tuple[str, str], ...]
    own: tuple[str, ...]
    """Paragraphs of the zone's own."""
    version: str
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class WifiPage(Page):
    """How to join Wi-Fi with 802.1X, on each kind of device."""

    w: Words
    networks: tuple[str, ...]
    fields: tuple[tuple[str, str], ...]
    """Names and values of what Android asks for."""
    thumbprint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnDevicesPage(Page):
    """Somebody's devices; which are in use, and what they may do about them."""

    w: device_words.Words
    token: str
    devices: tuple[OwnDevice, ...]
    more: int
    """So many that are not shown."""
    used: str
    """How many are in use, in a sentence."""
    random_here: bool
    done: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MessagePage(Page):
    """One sentence, and the way back."""

    heading: str


_TEMPLATES: dict[type[Page], str] = {
    SignInPage: "sign_in.html",
    SessionPage: "session.html",
    PasswordPage: "password.html",
    ContinuePage: "continue.html",
    ChangePage: "change.html",
    NoticePage: "notice.html",
    WifiPage: "wifi.html",
    OwnDevicesPage: "own_devices.html",
    MessagePage: "message.html",
}


def show(page: Page) -> str:
    """Return a page as HTML."""
    members = {f.name: getattr(page, f.name) for f in fields(page)}
    return _templates.get_template(_TEMPLATES[type(page)]).render(members)
