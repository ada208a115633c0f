"""Controllers of access points: asked over https by us, their certificates always checked."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import urllib3
from urllib3.util import Timeout

from captive_portal.errors import PortalError
from captive_portal.settings import Controller, files
from captive_portal.web.handover.hint import Vendor

CONNECT_S, READ_S = 3.0, 5.0
MOST_ANSWER = 1 << 20
"""Octets of an answer; ours have some kilobytes."""
AT_ONCE = 8
"""Questions to one controller at a time; in the rush of the morning the others wait."""
WHOLE_S = 20.0
"""For letting one device in, waiting and all; a phone's pop-up does not stay much longer."""


class ControllerError(PortalError):
    """A controller does not answer, or not as it should; nobody was let in."""


class OtherDevice(PortalError):
    """The controller does not say that the device of the address is the one that asks."""


class Answer(NamedTuple):
    """What a controller said."""

    status: int
    told: Mapping[str, Any]
    cookies: str
    """As a Cookie header of the next question."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """On what terms somebody is on."""

    minutes: int
    up_kbit: int | None = None
    down_kbit: int | None = None
    left_bytes: int | None = None


class ApiVendor(Vendor, Protocol):
    """A maker whose controller is asked by us."""

    async def whose(self, api: Api, query_mac: str, address: str, neighbour: str) -> str:
        """Return the controller's handle of a device, if it is the one that asks.

        Args:
            api: The controller.
            query_mac: What the redirect said.
            address: Where the device's connection comes from.
            neighbour: The MAC that the kernel knows there; empty: it is behind a router.

        Raises:
            OtherDevice: it is another one, or nobody can say.
            ControllerError: no answer.
        """
        ...

    async def let_in(self, api: Api, handle: str, extra: Mapping[str, str], limits: Limits) -> None:
        """Let a device in, and return when the controller says that it is. Raises as `whose`."""
        ...


class Api:
    """One controller."""

    def __init__(self, home: Path, settings: Controller) -> None:
        """Read its secret, and open nothing.

        Raises:
            PortalError: the secret or the certificates cannot be read.
        """
        self.settings = settings
        self.kept: dict[str, str] = {}
        """What a maker's module keeps between questions."""
        whose = f"controllers: {settings.url}: the secret"
        self.secret = files.secret(home / settings.secret_file, whose).strip()
        ca_file = home / settings.ca_file if settings.ca_file else None
        self._pool = urllib3.PoolManager(
            maxsize=AT_ONCE,
            ssl_context=files.trusted(ca_file, f"controllers: {settings.url}"),
            timeout=Timeout(connect=CONNECT_S, read=READ_S),
            retries=False,
        )
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="controller")

    def close(self) -> None:
        """Close the connections."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._pool.clear()

    async def ask(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str],
        body: Mapping[str, object] | None = None,
    ) -> Answer:
        """Ask the controller.

        Args:
            method: Of HTTP.
            path: From the controller's address on.
            headers: With the secret.
            body: JSON.

        Raises:
            ControllerError: no answer, or one that is no JSON object.
        """
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self._threads, lambda: self._ask(method, path, headers, body)
        )

    def _ask(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: Mapping[str, object] | None,
    ) -> Answer:
        url = self.settings.url.rstrip("/") + path
        try:
            response = self._pool.request(
                method,
                url,
                headers={"Accept": "application/json", **headers},
                json=body,
                redirect=False,
                preload_content=False,
            )
            try:
                octets = response.read(MOST_ANSWER + 1, decode_content=True)
                cookies = response.headers.getlist("set-cookie")
            finally:
                response.release_conn()
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            raise ControllerError(
                f"the controller at {self.settings.url} does not answer: {error}"
            ) from error
        return Answer(response.status, self._object(octets), _cookies(cookies))

    def _object(self, octets: bytes) -> Mapping[str, Any]:
        try:
            told = json.loads(octets) if len(octets) <= MOST_ANSWER else None
        except (ValueError, RecursionError):
            told = None
        if not isinstance(told, dict):
            raise ControllerError(f"the controller at {self.settings.url} does not answer in JSON")
        return told


def _cookies(set_cookies: list[str]) -> str:
    pairs = (one.partition(";")[0].strip() for one in set_cookies[:10])
    return "; ".join(pair for pair in pairs if "=" in pair and len(pair) < 1000)
