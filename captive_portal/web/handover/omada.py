"""TP-Link Omada (controller 5.0.15 or newer): its external-portal API lets devices in."""

from __future__ import annotations

from collections.abc import Mapping

from captive_portal.settings import NasKind
from captive_portal.web.handover.controller import Answer, Api, ControllerError, Limits, OtherDevice
from captive_portal.web.handover.hint import Forged, Hint, Query

_EXTERNAL_PORTAL = 4
_AP, _GATEWAY = ("apMac", "ssidName", "radioId"), ("gatewayMac", "vid")


class Omada:
    """`?clientMac=…&apMac=…&ssidName=…&radioId=…&site=…`, of gateways `gatewayMac` and `vid`."""

    word = "omada"
    kind: NasKind = "omada"

    def read(self, query: Query) -> Hint | None:
        """Return what the controller says of a device."""
        if not query.has("clientMac") or not (query.has("apMac") or query.has("gatewayMac")):
            return None
        names = _AP if query.text("apMac") else _GATEWAY
        extra = {name: query.text(name) for name in (*names, "site", "clientMac", "clientIp")}
        for name in ("radioId", "vid"):
            if extra.get(name) and not extra[name].isdecimal():
                raise Forged("no-number")
        return Hint(
            mac=query.mac("clientMac"),
            ip=query.address("clientIp"),
            ssid=query.text("ssidName"),
            extra=extra,
        )

    async def whose(self, api: Api, query_mac: str, address: str, neighbour: str) -> str:  # noqa: ARG002  # as others
        """Return nothing: the API tells of no device, so the kernel must know it as a neighbour."""
        if neighbour != query_mac:
            raise OtherDevice("the box does not see that device at that address")
        return ""

    async def let_in(self, api: Api, handle: str, extra: Mapping[str, str], limits: Limits) -> None:  # noqa: ARG002  # as others
        """Authorise a client; the controller's answer is all that it says of it."""
        given: dict[str, object] = {name: value for name, value in extra.items() if value}
        given |= {"authType": _EXTERNAL_PORTAL, "time": max(1, limits.minutes) * 60_000}
        if "radioId" in given:
            given["radioId"] = int(extra["radioId"])
        answer = await self._authorise(api, given)
        if answer.status != 200 or answer.told.get("errorCode") != 0:
            # The session with the controller may have run out: once more with a new one.
            api.kept.clear()
            answer = await self._authorise(api, given)
        if answer.status != 200 or answer.told.get("errorCode") != 0:
            api.kept.clear()
            raise ControllerError(f"the controller refuses a device: {_error(answer)}")

    async def _authorise(self, api: Api, given: Mapping[str, object]) -> Answer:
        if "token" not in api.kept:
            await self._log_in(api)
        headers = {"Csrf-Token": api.kept["token"], "Cookie": api.kept["cookies"]}
        return await api.ask("POST", _path(api, "extPortal/auth"), headers=headers, body=given)

    async def _log_in(self, api: Api) -> None:
        body = {"name": api.settings.operator, "password": api.secret}
        answer = await api.ask("POST", _path(api, "login"), headers={}, body=body)
        result = answer.told.get("result")
        token = result.get("token") if isinstance(result, dict) else None
        if answer.told.get("errorCode") != 0 or not isinstance(token, str) or not token.isascii():
            raise ControllerError(f"the controller does not take the operator: {_error(answer)}")
        api.kept.update(token=token, cookies=answer.cookies)


def _path(api: Api, what: str) -> str:
    return f"/{api.settings.controller_id}/api/v2/hotspot/{what}"


def _error(answer: Answer) -> str:
    return f"{answer.status}, {answer.told.get('errorCode')}"
