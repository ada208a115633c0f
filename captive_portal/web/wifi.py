"""How to join Wi-Fi with 802.1X: a page before and after sign-in, and the files for devices.

There is no QR code of the network: that of Wi-Fi says neither whom to trust nor under which name,
and a device that joins by it gives its password to anybody's access point.
"""

from __future__ import annotations

import asyncio

from fastapi import FastAPI, HTTPException, Request, Response

from captive_portal.errors import PortalError
from captive_portal.web import pages
from captive_portal.web.front import Answer, Front, Visit, common, note, shown
from captive_portal.web.wifi_files import Wifi, WifiFacts
from captive_portal.web.wifi_words import words


class WifiPages:
    """The handlers of `/wifi` and what is below it."""

    def __init__(self, front: Front, wifi: Wifi) -> None:
        self._front = front
        self._wifi = wifi

    def add(self, app: FastAPI) -> None:
        """Add the addresses."""
        both = ["GET", "HEAD"]
        app.add_api_route("/wifi", self.page, methods=both)
        app.add_api_route("/wifi/wifi.mobileconfig", self.apple, methods=both)
        app.add_api_route("/wifi/wifi-ca.crt", self.root, methods=both)
        app.add_api_route("/wifi/{number}.xml", self.windows, methods=both)

    async def page(self, request: Request) -> Response:
        """Show what to do."""
        visit = self._front.visit(request)
        facts, w = await self._facts(visit), words(visit.t.lang)
        page = pages.WifiPage(
            **common(visit, "/wifi"),
            w=w,
            networks=self._wifi.networks,
            fields=(
                (w.method, "TTLS"),
                (w.inner, "PAP"),
                (w.authority, w.authority_value),
                # Android takes one, and any name that ends in it.
                (w.domain, facts.servers[0].removeprefix("*.")),
                (w.identity, w.identity_value),
                (w.anonymous, facts.outer),
                (w.password, w.password_value),
            ),
            thumbprint=facts.thumbprint(),
        )
        return shown(page)

    async def apple(self, request: Request) -> Response:
        """Return the profile for iPhone, iPad and Mac."""
        visit = self._front.visit(request)
        await self._facts(visit)
        octets = await asyncio.to_thread(self._wifi.apple, visit.place.name)
        return _file(octets, "application/x-apple-aspen-config", "wifi.mobileconfig")

    async def root(self, request: Request) -> Response:
        """Return the root that devices are to trust."""
        facts = await self._facts(self._front.visit(request))
        return _file(facts.root_der, "application/x-x509-ca-cert", "wifi-ca.crt")

    async def windows(self, request: Request, number: str) -> Response:
        """Return the profile of a network for Windows, by its place among the networks."""
        visit = self._front.visit(request)
        await self._facts(visit)
        numbered = {str(place): name for place, name in enumerate(self._wifi.networks, 1)}
        if number not in numbered:
            raise HTTPException(404)
        network, school = numbered[number], visit.place.name
        octets = await asyncio.to_thread(self._wifi.windows, school, network)
        return _file(octets, "application/xml", f"wifi-{number}.xml")

    async def _facts(self, visit: Visit) -> WifiFacts:
        """Return what profiles say.

        Raises:
            HTTPException: there is no such network.
            Answer: a page that says that it is not possible now.
        """
        if not self._wifi.networks:
            raise HTTPException(404)
        try:
            return await asyncio.to_thread(self._wifi.facts, visit.place.name)
        except PortalError as error:
            note(error)
            w = words(visit.t.lang)
            raise Answer(
                self._front.message(visit.request, 503, w.not_ready, heading=w.title)
            ) from error


def _file(octets: bytes, media_type: str, name: str) -> Response:
    disposition = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(octets, media_type=media_type, headers=disposition)
