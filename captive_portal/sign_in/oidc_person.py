"""Who somebody is here, by what a provider's token says of them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Any

from captive_portal.errors import Refused
from captive_portal.people import names
from captive_portal.people.accounts import Kind
from captive_portal.people.keys import PersonKey
from captive_portal.people.outside import Outsider
from captive_portal.settings import Oidc, OutsideGroup

_CITIZEN_ID = re.compile(r"[0-9]{13}")
_UNFIT = ("Cc", "Cs", "Co", "Cn", "Zl", "Zp")


def outsider(claims: Mapping[str, Any], settings: Oidc, key: PersonKey) -> Outsider:
    """Return whom a checked token tells of.

    The id is a hash by a key of the home: a provider's own may be a citizen id.

    Args:
        claims: Of the token, checked.
        settings: Of the provider.
        key: Makes the hash.

    Raises:
        Refused: the settings do not let them in.
    """
    for name, wanted in settings.require.items():
        if not _holds(claims.get(name), wanted):
            raise Refused(f"{name} is not as required")
    own = key.hash("oidc", f"{settings.issuer}\0{claims['sub']}")
    mapped = _group(claims, settings)
    return Outsider(
        site=settings.site,
        source="oidc",
        outside_id=f"{settings.id}:{own}",
        account=_account(claims, settings) or f"{settings.id}-{own[:12]}",
        full_name=_text(claims.get(settings.full_name_claim)),
        kind=Kind(mapped.kind) if mapped and mapped.kind else None,
        group=mapped.group if mapped else "",
        proofing=f"OIDC {settings.id}",
    )


def _account(claims: Mapping[str, Any], settings: Oidc) -> str:
    """Return the login name, or nothing: the box makes one up."""
    if not settings.account_claim:
        return ""
    name = names.clean(_text(claims.get(settings.account_claim)))
    if settings.account_claim == "email" and not _holds(claims.get("email_verified"), "true"):
        raise Refused("email is not verified")
    if settings.account_domain:
        local, _, domain = name.rpartition("@")
        name = local if domain.lower() == settings.account_domain.lower() else name
    if not name or names.fault(name):
        raise Refused(f"{settings.account_claim} is no login name")
    plain = re.sub(r"[\s-]", "", names.digits(name))
    return "" if _CITIZEN_ID.fullmatch(plain) else name


def _group(claims: Mapping[str, Any], settings: Oidc) -> OutsideGroup | None:
    told = claims.get(settings.groups_claim) if settings.groups_claim else None
    return next((one for one in settings.groups if _holds(told, one.outside)), None)


def _holds(told: object, wanted: str) -> bool:
    """Say whether a claim is this, or a list that has it."""
    if isinstance(told, bool):
        return wanted == str(told).lower()
    return told == wanted or (isinstance(told, list) and wanted in told)


def _text(told: object) -> str:
    """Return a claim's text without what no database takes; empty where it is none."""
    if not isinstance(told, str):
        return ""
    cut = told[:1000]
    return "".join(letter for letter in cut if unicodedata.category(letter) not in _UNFIT)
