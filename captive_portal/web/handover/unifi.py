"""UniFi: /guest/s/<site>/ brings a device here; the Network API (9.1.105 or newer) lets it in."""

from __future__ import annotations

import asyncio
import ipaddress
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlsplit

from captive_portal.settings import NasKind
from captive_portal.web.handover.controller import Answer, Api, ControllerError, Limits, OtherDevice
from captive_portal.web.handover.hint import Hint, Query

API = "/proxy/network/integration/v1"
"""Of a console; a url with a path of its own has it there."""
LOOKS, EVERY_S = 16, 0.5
"""How many times, and how many seconds apart, the controller is asked whether a device is in: its
yes to the request comes before that."""
_ID = re.compile(r"[0-9A-Za-z-]{1,64}")
_MOST = {"timeLimitMinutes": 1_000_000, "dataUsageLimitMBytes": 1_048_576}
_RATES = (2, 100_000)
"""kbit/s that the API takes."""


class Unifi:
    """`?ap=…&id=<MAC>&t=…&url=…&ssid=…`."""

    word = "unifi"
    kind: NasKind = "unifi"

    def read(self, query: Query) -> Hint | None:
        """Return what an access point says of a device."""
        if not query.has("id", "ap"):
            return None
        return Hint(mac=query.mac("id"), ssid=query.text("ssid"))

    async def whose(self, api: Api, query_mac: str, address: str, neighbour: str) -> str:
        """Return the client's id; the controller must know it at the address that asks."""
        site = await self._site(api)
        wanted = quote(f"macAddress.eq('{query_mac}')")
        found = _list(await self._get(api, f"/sites/{site}/clients?limit=5&filter={wanted}"))
        here = [one for one in found if str(one.get("macAddress", "")).lower() == query_mac]
        if not here:
            raise OtherDevice("the controller knows no such device")
        if neighbour != query_mac and not _same(here[0].get("ipAddress"), address):
            raise OtherDevice("the controller knows the device at another address")
        return f"{site}/clients/{_id(here[0])}"

    async def let_in(self, api: Api, handle: str, extra: Mapping[str, str], limits: Limits) -> None:  # noqa: ARG002  # as others
        """Authorise a client, and wait until the controller says that it is."""
        answer = await self._ask(api, "POST", f"/sites/{handle}/actions", _action(limits))
        if answer.status not in (200, 201, 202, 204):
            raise ControllerError(f"the controller answers {answer.status} to letting a device in")
        for _ in range(LOOKS):
            access = (await self._get(api, f"/sites/{handle}")).get("access")
            if isinstance(access, dict) and access.get("authorized") is True:
                return
            await asyncio.sleep(EVERY_S)
        raise ControllerError("the controller took a device, and does not let it in")

    async def _site(self, api: Api) -> str:
        """Return the id of the site of the settings."""
        if "site" not in api.kept:
            wanted = api.settings.controller_site
            for site in _list(await self._get(api, "/sites?limit=200")):
                if wanted in (site.get("internalReference"), site.get("name"), site.get("id")):
                    api.kept["site"] = _id(site)
                    break
            else:
                raise ControllerError(f"the controller has no site {wanted!r}")
        return api.kept["site"]

    async def _get(self, api: Api, path: str) -> Mapping[str, Any]:
        answer = await self._ask(api, "GET", path)
        if answer.status != 200:
            api.kept.clear()
            raise ControllerError(f"the controller answers {answer.status}")
        return answer.told

    async def _ask(
        self, api: Api, method: str, path: str, body: Mapping[str, object] | None = None
    ) -> Answer:
        base = "" if urlsplit(api.settings.url).path.strip("/") else API
        return await api.ask(method, base + path, headers={"X-API-KEY": api.secret}, body=body)


def _action(limits: Limits) -> dict[str, object]:
    told: dict[str, object] = {
        "action": "AUTHORIZE_GUEST_ACCESS",
        "timeLimitMinutes": min(max(1, limits.minutes), _MOST["timeLimitMinutes"]),
    }
    least, most = _RATES
    # Receiving and sending are the device's.
    for name, kbit in (("rxRateLimitKbps", limits.down_kbit), ("txRateLimitKbps", limits.up_kbit)):
        if kbit is not None:
            told[name] = min(max(least, kbit), most)
    if limits.left_bytes is not None:
        megabytes = max(1, limits.left_bytes // 10**6)
        told["dataUsageLimitMBytes"] = min(megabytes, _MOST["dataUsageLimitMBytes"])
    return told


def _list(told: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    data = told.get("data")
    return [one for one in data if isinstance(one, dict)] if isinstance(data, list) else []


def _id(told: Mapping[str, Any]) -> str:
    """Return an id; it becomes part of an address."""
    found = told.get("id")
    if not isinstance(found, str) or not _ID.fullmatch(found):
        raise ControllerError("the controller names something by no id")
    return found


def _same(told: object, address: str) -> bool:
    try:
        return ipaddress.ip_address(str(told)) == ipaddress.ip_address(address)
    except ValueError:
        return False
