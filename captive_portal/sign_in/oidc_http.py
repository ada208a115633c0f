"""Asks a provider over https: whole answers of bounded size and time, no redirects, no proxies."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Mapping
from typing import Any

import httpx

from captive_portal.sign_in.way import NotNow

TOTAL_S = 8.0
"""From the look-up of its name to the last byte of its answer."""
MAX_BODY = 128 * 1024
"""Bytes of an answer; discovery, keys and tokens of big providers have less than ten thousand."""
_NONE: Mapping[str, str] = {}


class Http:
    """Asks one provider. Used from one event loop."""

    def __init__(self, context: ssl.SSLContext, *, total_s: float = TOTAL_S) -> None:
        self._context = context
        self._total_s = total_s

    async def get(self, url: str) -> dict[str, Any]:
        """Return the JSON object at an address. Raises NotNow."""
        status, told = await self._ask("GET", url)
        if status != 200:
            raise NotNow(f"the provider answers {status}")
        return told

    async def post(
        self, url: str, body: str, headers: Mapping[str, str]
    ) -> tuple[int, dict[str, Any]]:
        """Return status and JSON object of the answer to a form. Raises NotNow."""
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        return await self._ask("POST", url, content=body.encode(), headers={**headers, **form})

    async def _ask(
        self, method: str, url: str, *, content: bytes = b"", headers: Mapping[str, str] = _NONE
    ) -> tuple[int, dict[str, Any]]:
        # Compressed answers could grow without bound: none are asked for, and none taken.
        wanted = {**headers, "Accept": "application/json", "Accept-Encoding": "identity"}
        try:
            async with (
                asyncio.timeout(self._total_s),
                httpx.AsyncClient(verify=self._context, trust_env=False) as client,
                client.stream(method, url, content=content, headers=wanted) as answer,
            ):
                if answer.headers.get("content-encoding", "identity") != "identity":
                    raise NotNow("the provider's answer is compressed")
                body = await _bounded(answer)
                return answer.status_code, _object(body)
        except TimeoutError:
            raise NotNow(f"the provider did not answer within {self._total_s:g} s") from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise NotNow(f"the provider cannot be asked: {type(error).__name__}") from error


async def _bounded(answer: httpx.Response) -> bytes:
    body = b""
    async for piece in answer.aiter_raw():
        body += piece
        if len(body) > MAX_BODY:
            raise NotNow("the provider's answer has no end")
    return body


def _object(body: bytes) -> dict[str, Any]:
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        raise NotNow("the provider's answer is no JSON") from None
    if not isinstance(told, dict):
        raise NotNow("the provider's answer is no object")
    return told
