"""Passwords for one use, as they come back in a gateway's Access-Request."""

from __future__ import annotations

import hmac
from typing import NamedTuple
from uuid import UUID

from captive_portal.people.nt_hashes import nt_hash
from captive_portal.radius.login import Chap, Login, MsChap2, Pap
from captive_portal.sign_in.one_time import Bound, OneTime


class Taken(NamedTuple):
    """Whose it was."""

    person: UUID
    success: bytes
    """MS-CHAP2-Success, where the gateway made that of it."""
    notice: str = ""
    """The version of the privacy notice that the page showed."""


def taken(store: OneTime, tried: Login) -> Taken | None:
    """Return whose password for one use came, whatever the gateway made of it; it is used up."""
    success: list[bytes] = []

    def proves(password: str) -> bool:
        match tried.credential:
            case Pap(password=told):
                return hmac.compare_digest(told.encode("utf-8", "surrogatepass"), password.encode())
            case Chap() as chap:
                return chap.proves(password.encode())
            case MsChap2() as proof:
                found = proof.success(nt_hash(password), tried.user_octets)
                success.extend([found] if found else [])
                return found is not None
        return False

    bound = Bound(
        site=tried.site, nas=tried.nas.client, mac=tried.mac, address=tried.station.strip()
    )
    if tried.device or (owner := store.take(tried.user, bound, proves)) is None:
        return None
    return Taken(owner.person, success[0] if success else b"", owner.notice)
