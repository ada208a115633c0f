"""Answers to Access-Requests as octets: signed first of all, Proxy-State as it came."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from pyrad import packet as pyrad

from captive_portal.radius import guard, judging, replies
from captive_portal.radius.book import Standing
from captive_portal.radius.endpoint import Arrival
from captive_portal.radius.received import Received, number_of, octets_of, raw_octets
from captive_portal.radius.ticket import Ticket
from captive_portal.sessions import at_nas
from captive_portal.sessions.session import Ids

Told = tuple[Any, Any]
"""An attribute: a name of the dictionary or a number, and its value; octets stand as they are."""
_EAP_FAILURE = 4


def granted(
    standing: Standing,
    arrival: Arrival,
    now: datetime,
    *,
    ids: Ids,
    session: UUID | None = None,
    notice: str = "",
) -> list[Told]:
    """Return the attributes of an Access-Accept for somebody.

    Args:
        standing: Who, and on what terms.
        arrival: Of the request; tells the NAS's kind and site.
        now: The time.
        ids: The home's.
        session: The id that the session will have; None: a new one.
        notice: The version of the privacy notice that they were shown; empty: none here.
    """
    account, session = standing.account, session or uuid4()
    given = Ticket(
        session=session,
        person=account.id,
        site=arrival.client.site,
        terms=at_nas.signed(standing.terms),
        notice=notice,
    )
    told: list[Told] = list(
        replies.of(
            arrival.client.kind,
            judging.allowed(standing),
            now=now,
            session=session,
            ticket=given.octets(ids),
            user=account.account,
        )
    )
    return told


def encoded(
    request: Received,
    code: int,
    told: Sequence[Told],
    *,
    hidden: Sequence[Told] = (),
) -> bytes:
    """Return a reply, signed.

    Args:
        request: What it is to.
        code: Its code.
        told: Its attributes.
        hidden: More of them, hidden with the secret of who asked (RFC 2548 2.4.2).
    """
    octets = [_octets(name, value) for name, value in told]
    if hidden:
        by: Any = pyrad.AuthPacket(secret=request.secret, authenticator=request.authenticator)
        octets += [raw_octets(key, by.SaltCrypt(value)) for key, value in hidden]
    return request.reply(code, b"".join(octets), sign=True)


def _octets(name: Any, value: Any) -> bytes:  # noqa: ANN401  # as `Told`
    if isinstance(value, bytes):
        # As octets: pyrad reads 0x… and digits in them otherwise.
        return raw_octets(number_of(name) if isinstance(name, str) else name, value)
    return octets_of(name, value)


def eap_failure(request: Received) -> bytes:
    """Return a reject that ends EAP (RFC 3748 4.2, RFC 3579 2.6.1)."""
    told = (request.get(guard.EAP_MESSAGE) or [b""])[0]
    number = told[1] if len(told) > 1 else 0
    failure = bytes((_EAP_FAILURE, number, 0, 4))
    return encoded(request, pyrad.AccessReject, [("EAP-Message", failure)])
