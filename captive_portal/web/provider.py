"""The way to a provider of OpenID Connect and back. Nothing that it sends is shown."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from fastapi import Request, Response
from fastapi.responses import RedirectResponse

from captive_portal.errors import PortalError, Refused
from captive_portal.people.accounts import Account
from captive_portal.settings import Oidc
from captive_portal.sign_in.chain import Chain
from captive_portal.sign_in.way import NotNow, WayWord
from captive_portal.web.entrance import Entrance
from captive_portal.web.front import Answer, Front, Visit, excuse, note
from captive_portal.web.neighbours import mac_of
from captive_portal.web.sites import Place
from captive_portal.web.texts import Texts, texts

LetVisit = Callable[[str], Awaitable[None]]


class ProviderClient(Protocol):
    """Speaks to one provider: `captive_portal.sign_in.oidc.OidcClient`."""

    @property
    def settings(self) -> Oidc:
        """Its section."""
        ...

    async def begin(self, device: str, lang: str) -> str:
        """Return where the device is sent. Raises NotNow, Busy."""
        ...

    async def finish(self, device: str, query: Mapping[str, str]) -> Account:
        """Return whose account it came back with. Raises PortalError."""
        ...


class Providers:
    """The handlers of `/oidc/<id>` and `/oidc/<id>/back`."""

    def __init__(
        self,
        front: Front,
        *,
        chain: Chain,
        entrance: Entrance,
        clients: Sequence[ProviderClient],
        let_visit: LetVisit | None = None,
    ) -> None:
        """Keep the parts; who comes back from a provider goes in by the entrance.

        Args:
            front: What all pages have.
            chain: Remembers devices of people.
            entrance: Where they go in.
            clients: Of the providers.
            let_visit: Lets a device by its MAC reach providers for a while; None: another router
                says what is reached.
        """
        self._front = front
        self._chain = chain
        self._entrance = entrance
        self._clients = clients
        self._let_visit = let_visit

    async def go(self, request: Request, provider: str) -> Response:
        """Send a device to a provider, where its browser is one that providers take."""
        visit = self._front.visit(request)
        client = self._client(visit, provider)
        if embedded(request.headers.get("user-agent", "")):
            address = self._front.settings.public_url
            help_ = visit.t.provider_browser.format(address=address)
            return self._front.message(request, 200, help_)
        try:
            device, mac = await _device(visit)
            there = await client.begin(device, visit.t.lang)
            if self._let_visit is not None and mac:
                await self._let_visit(mac)
            return RedirectResponse(there, 303)
        except PortalError as error:
            return await self._not_in(visit, error)

    async def back(self, request: Request, provider: str) -> Response:
        """Take a code; on success go to the session's page."""
        visit = self._front.visit(request)
        pairs = request.query_params.multi_items()
        query = dict(pairs)
        visit = replace(visit, t=texts(query.get("state", "").partition(".")[0]))
        client = self._client(visit, provider)
        try:
            if len(query) != len(pairs):
                raise Refused("a parameter came twice")  # RFC 6749 3.1
            device, mac = await _device(visit)
            account = await client.finish(device, query)
            response = await self._entrance.begin(visit, account)
            await self._chain.remember(account, mac, visit.place.ways)
        except PortalError as error:
            return await self._not_in(visit, error)
        return response

    async def _not_in(self, visit: Visit, error: PortalError) -> Response:
        status, message, retry_s = reason(error, visit.t)
        return await self._entrance.page(visit, status, message, retry_s=retry_s)

    def _client(self, visit: Visit, provider: str) -> ProviderClient:
        for client in _at(visit.place, self._clients):
            if client.settings.id == provider:
                return client
        raise Answer(self._front.message(visit.request, 404, visit.t.not_found))


def offered(clients: Sequence[ProviderClient], place: Place) -> tuple[tuple[str, str], ...]:
    """Return id and name of each provider that has a button at a place."""
    return tuple((client.settings.id, client.settings.name) for client in _at(place, clients))


def _at(place: Place, clients: Sequence[ProviderClient]) -> list[ProviderClient]:
    if WayWord.OIDC not in place.ways:
        return []
    return [client for client in clients if client.settings.site == place.id]


def embedded(agent: str) -> bool:
    """Say whether this is the window of a captive portal, or another that is no browser.

    Providers refuse those. Apple's window is Safari's engine without its name, Android's has the
    mark of a WebView, old ones of Windows say it too.
    """
    if re.search(r"; wv\)|CaptiveNetworkSupport|\bNCSI\b|\bWebView/", agent):
        return True
    return "AppleWebKit/" in agent and "Safari/" not in agent


def reason(error: PortalError, t: Texts) -> tuple[int, str, int]:
    """Return status, sentence and when to try again for somebody who did not get in this way."""
    if isinstance(error, NotNow):
        note(error)
        return 503, t.provider_silent, 30
    if isinstance(error, Refused):
        return 403, t.provider_refused, 0
    return excuse(error, t)


async def _device(visit: Visit) -> tuple[str, str]:
    """Return what stands for the device, and its MAC where it is known.

    The MAC where there is one: a browser may go by IPv4 and come back by IPv6.
    """
    mac = await asyncio.to_thread(mac_of, visit.address)
    return mac or visit.address, mac
