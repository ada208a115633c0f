"""Who sent a device here: makers, gateways of the settings, and controllers."""

from __future__ import annotations

import asyncio
import hmac
from collections import Counter, OrderedDict, deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from captive_portal.errors import PortalError
from captive_portal.settings import PortalSettings
from captive_portal.sign_in.one_time import OneTime
from captive_portal.web.handover.aruba import Aruba
from captive_portal.web.handover.controller import Api, ApiVendor
from captive_portal.web.handover.fortigate import Fortigate
from captive_portal.web.handover.hint import Forged, Hint, PostVendor, Query, Target
from captive_portal.web.handover.mikrotik import Mikrotik
from captive_portal.web.handover.omada import Omada
from captive_portal.web.handover.pfsense import Pfsense
from captive_portal.web.handover.ruckus import Ruckus
from captive_portal.web.handover.ruijie import Ruijie
from captive_portal.web.handover.table import Gateway, GatewayTable
from captive_portal.web.handover.unifi import Unifi
from captive_portal.web.neighbours import mac_of
from collector.records import Clock

_POSTING: tuple[PostVendor, ...] = (
    Mikrotik(), Fortigate(), Ruckus(), Pfsense(), Ruijie(), Aruba(),
)  # fmt: skip
_ASKED: tuple[ApiVendor, ...] = (Omada(), Unifi())
POSTING: Final[Mapping[str, PostVendor]] = {one.word: one for one in _POSTING}
ASKED: Final[Mapping[str, ApiVendor]] = {one.word: one for one in _ASKED}
RECENT = 100
"""Refusals that the status shows."""
MOST_USED = 50_000
"""States of forms that were sent and could be sent again within their hour."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A device as a gateway sent it, as far as can be said without asking anybody."""

    word: str
    query: str
    """As it came."""
    hint: Hint
    neighbour: str
    """The MAC that the kernel knows at its address; empty: it is behind a router."""
    gateway: Gateway | None = None
    where: Target | None = None
    """Both of gateways that take a form."""
    api: Api | None = None
    """Of those whose controller is asked."""


class Gateways:
    """The gateways of a box. Used from one event loop."""

    def __init__(
        self, home: Path, settings: PortalSettings, *, one_time: OneTime, clock: Clock
    ) -> None:
        """Read the secrets of controllers.

        Raises:
            PortalError: one cannot be read, or an entry is not whole.
        """
        self.table = GatewayTable(settings.radius.clients)
        self.one_time = one_time
        self.counts: Counter[str] = Counter()
        """By maker and what happened."""
        self.recent: deque[dict[str, object]] = deque(maxlen=RECENT)
        self._clock = clock
        self._apis: dict[tuple[str, str], Api] = {}
        self._used: OrderedDict[str, None] = OrderedDict()
        for one in settings.controllers:
            if one.kind == "omada" and not (one.operator and one.controller_id):
                raise PortalError(
                    f"settings: controllers: {one.url} needs operator and controller_id",
                    hint="docs/guides/omada.md says where they stand",
                )
            self._apis[one.kind, one.site] = Api(home, one)

    def close(self) -> None:
        """Close the connections to controllers."""
        for api in self._apis.values():
            api.close()

    def standing(self) -> dict[str, object]:
        """Return what the status shows."""
        counts = {**self.counts, **{f"one-time {k}": n for k, n in self.one_time.counts.items()}}
        return {"counts": counts, "refused": list(self.recent)} if counts else {}

    def word_of(self, query: str) -> str:
        """Return whose parameters a visit to `/` brings; empty: nobody's."""
        if "=" not in query:
            return ""
        try:
            read = Query.parse(query)
        except Forged:
            return ""
        for vendor in (*_POSTING, *_ASKED):
            try:
                if vendor.read(read) is not None:
                    return vendor.word
            except Forged:
                return vendor.word  # which then says what is wrong
        return ""

    async def arrival(self, word: str, query: str, *, site: str, address: str) -> Arrival:
        """Return what is known of a device that a gateway sent.

        Args:
            word: The maker.
            query: The parameters as they came.
            site: Where the device is, by its address.
            address: Its connection's.

        Raises:
            Forged: no gateway of that site sends such.
        """
        vendor = POSTING.get(word) or ASKED[word]
        hint = vendor.read(Query.parse(query))
        if hint is None:
            raise Forged("not-its-parameters")
        neighbour = await asyncio.to_thread(mac_of, address)
        if word in ASKED:
            api = self._apis.get((vendor.kind, site))
            if api is None:
                raise Forged("no-controller")
            if neighbour and neighbour != hint.mac:
                raise Forged("other-device")
            return Arrival(word=word, query=query, hint=hint, neighbour=neighbour, api=api)
        posting = POSTING[word]
        gateway, where = self._form(posting, hint, site)
        self._same_device(posting, hint, address, neighbour)
        return Arrival(
            word=word, query=query, hint=hint, neighbour=neighbour, gateway=gateway, where=where
        )

    def _form(self, vendor: PostVendor, hint: Hint, site: str) -> tuple[Gateway, Target]:
        """Return the gateway whose form the hint names. Raises Forged."""
        if hint.target is None:
            only = self.table.only(vendor.kind, site, "https", 443)
            if only is None:
                raise Forged("unknown-gateway")
            return only
        gateway = self.table.at(vendor.kind, site, hint.target, vendor.ports)
        if gateway is None:
            raise Forged(f"unknown-gateway {hint.target.host}:{hint.target.port}")
        return gateway, hint.target

    def _same_device(self, vendor: PostVendor, hint: Hint, address: str, neighbour: str) -> None:
        """Refuse a hint on another device than the one that asks; the gateway says the rest."""
        if vendor.trusts_form:
            if hint.mac != neighbour and hint.ip != address:
                raise Forged("other-device")
            return
        if self.table.named(vendor.kind, address):
            return  # the gateway hides its devices behind its own address
        if neighbour and neighbour != hint.mac:
            raise Forged("other-device")
        if hint.ip and (":" in hint.ip) == (":" in address) and hint.ip != address:
            raise Forged("other-device")

    def use(self, token: str) -> bool:
        """Say whether a form's state was not sent before; it was now."""
        if token in self._used:
            return False
        self._used[token] = None
        if len(self._used) > MOST_USED:
            self._used.popitem(last=False)
        return True

    def count(self, word: str, what: str) -> None:
        """Count what happened."""
        self.counts[f"{word} {what}"] += 1

    def refuse(self, word: str, error: PortalError, address: str) -> None:
        """Count a refusal and keep it for the status; of what was sent, the host alone."""
        reason, _, host = str(error).partition(" ")
        self.counts[f"{word} {reason}"] += 1
        told: dict[str, object] = {"at_ns": self._clock(), "vendor": word, "reason": reason}
        self.recent.append(told | {"host": host, "address": address})


def same(given: str, came: str) -> bool:
    """Compare two secrets in the same time whatever differs."""
    return hmac.compare_digest(
        given.encode("utf-8", "surrogatepass"), came.encode("utf-8", "surrogatepass")
    )
