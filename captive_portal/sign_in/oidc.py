"""Signing in at a provider of OpenID Connect: authorization code with PKCE.

The person's browser goes there and comes back with a code, which this fetches the proof for. Only
imported where the settings have a provider: the libraries are an extra.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from authlib.oauth2.auth import ClientAuth
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri, prepare_token_request
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from joserfc.jwk import KeySet

from captive_portal.errors import PortalError, Refused
from captive_portal.people.accounts import Account
from captive_portal.people.keys import PersonKey
from captive_portal.settings import Oidc, files
from captive_portal.sign_in import oidc_token
from captive_portal.sign_in.oidc_http import Http
from captive_portal.sign_in.oidc_person import outsider
from captive_portal.sign_in.oidc_state import Stale, States, Trip
from captive_portal.sign_in.way import Adopt, Busy, NotNow, adopted
from captive_portal.sign_in.workers import Workers
from collector.records import Clock, time_of

WAITING = 64
"""People who wait for the provider at once; past it they are told to come back."""
KNOWN_NS = 3600 * 10**9
"""Nanoseconds. What the provider told of itself is used for this long."""
AGAIN_NS = 60 * 10**9
"""Nanoseconds. Its keys are fetched again no sooner than this, whatever keys tokens name."""
DOWN_NS = 10 * 10**9
"""Nanoseconds. After it failed to answer it is not asked for this long."""
_ADDRESS = re.compile(r"https://[\x21-\x7e]{1,2000}")
_CODE = re.compile(r"[\x20-\x7e]{1,4096}")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """What a provider tells of itself (OpenID Connect Discovery 1.0, section 3)."""

    authorization: str
    token: str
    jwks: str
    secret_by: str
    """`client_secret_post` or `client_secret_basic`."""
    tells_issuer: bool
    """It names itself where it sends people back (RFC 9207)."""


class OidcClient:
    """The box as a client of one provider. Used from one event loop."""

    def __init__(
        self,
        settings: Oidc,
        home: Path,
        *,
        public_url: str,
        adopt: Adopt,
        key: PersonKey,
        clock: Clock,
    ) -> None:
        """Read secret and certificates.

        Raises:
            PortalError: one of them cannot be.
        """
        self.settings = settings
        self.counts: Counter[str] = Counter()
        """What came of it: `begun`, `right`, and why not."""
        self._back = f"{public_url.rstrip('/')}/oidc/{settings.id}/back"
        whose = f"oidc {settings.id}: the client secret"
        self._secret = files.secret(home / settings.client_secret_file, whose).strip()
        ca_file = home / settings.ca_file if settings.ca_file else None
        self.http = Http(files.trusted(ca_file, f"oidc {settings.id}"))
        self._adopt, self._key, self._clock = adopt, key, clock
        self._states = States(clock)
        self._workers = Workers("oidc", threads=1, waiting=WAITING)
        self._lock = asyncio.Lock()
        self._waiting = 0
        self._told: tuple[int, Metadata] | None = None
        self._keys: tuple[int, KeySet] | None = None
        self._down: tuple[int, str] | None = None

    def __enter__(self) -> Self:
        self._workers.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._workers.__exit__()

    async def begin(self, device: str, lang: str) -> str:
        """Return the provider's address that the device is sent to.

        Raises:
            NotNow: the provider does not answer.
            Busy: too many wait for it.
        """
        async with self._place():
            try:
                told = await self._metadata()
            except NotNow as error:
                self._note("silent", error)
                raise
        trip = self._states.make(self.settings.id, device, lang)
        hint = {"hd": self.settings.require["hd"]} if "hd" in self.settings.require else {}
        self.counts["begun"] += 1
        address: str = prepare_grant_uri(
            told.authorization,
            self.settings.client_id,
            "code",
            redirect_uri=self._back,
            scope=self.settings.scope,
            state=trip.state,
            nonce=trip.nonce,
            code_challenge=create_s256_code_challenge(trip.verifier),
            code_challenge_method="S256",
            **hint,
        )
        return address

    async def finish(self, device: str, query: Mapping[str, str]) -> Account:
        """Return whose account it is that a device came back with.

        Raises:
            Stale: the state is not one of this device, or was used.
            Refused: the provider, its token or the settings do not let them in.
            NotNow: the provider does not answer.
            TooOften, Busy: too many came back.
        """
        try:
            trip = self._states.take(query.get("state", ""), self.settings.id, device)
            async with self._place():
                account = await self._finish(trip, query)
        except Stale:
            self.counts["stale"] += 1
            raise
        except oidc_token.BadToken as error:
            self._note("bad token", error)
            raise
        except Refused:
            self.counts["refused"] += 1
            raise
        except NotNow as error:
            self._note("silent", error)
            raise
        self.counts["right"] += 1
        return account

    def standing(self) -> Mapping[str, object]:
        """Return what the status page shows."""
        return dict(self.counts)

    async def _finish(self, trip: Trip, query: Mapping[str, str]) -> Account:
        told = await self._metadata()
        named = query.get("iss")
        if named != self.settings.issuer and (named is not None or told.tells_issuer):
            raise oidc_token.BadToken("sent back by another provider")
        code = query.get("code", "")
        if "error" in query or not _CODE.fullmatch(code):
            raise Refused("the provider sent them back without a code")
        answer = await self._redeem(told, code, trip)
        claims = await self._claims(told, answer, trip)
        who = outsider(claims, self.settings, self._key)
        now = time_of(self._clock)
        return await self._workers.run(adopted, self._adopt, who, now)

    async def _redeem(self, told: Metadata, code: str, trip: Trip) -> Mapping[str, Any]:
        """Take the code to the provider (RFC 6749 4.1.3, RFC 7636 4.5)."""
        body = prepare_token_request(
            "authorization_code", redirect_uri=self._back, code=code, code_verifier=trip.verifier
        )
        client = ClientAuth(self.settings.client_id, self._secret, told.secret_by)
        _, headers, body = client.prepare("POST", told.token, {}, body)
        status, answer = await self.http.post(told.token, body, headers)
        if status == 200:
            return answer
        if answer.get("error") == "invalid_grant":
            raise Refused("the provider does not take the code")
        if answer.get("error") in ("invalid_client", "unauthorized_client"):
            raise NotNow("the provider does not take client_id and secret")
        raise NotNow(f"the provider answers {status} to a code")

    async def _claims(
        self, told: Metadata, answer: Mapping[str, Any], trip: Trip
    ) -> Mapping[str, Any]:
        expected = oidc_token.Expected(
            issuer=self.settings.issuer,
            client_id=self.settings.client_id,
            nonce=trip.nonce,
            access_token=answer.get("access_token"),
        )
        token, now_s = answer.get("id_token"), self._clock() // 10**9
        keys = await self._key_set(told)
        try:
            return oidc_token.claims(token, keys, expected=expected, now_s=now_s)
        except oidc_token.UnknownKey:
            newer = await self._key_set(told, rather_than=keys)
            return oidc_token.claims(token, newer, expected=expected, now_s=now_s)

    async def _key_set(self, told: Metadata, *, rather_than: KeySet | None = None) -> KeySet:
        """Return the provider's keys, asked for anew where they are old or these will not do."""
        async with self._lock:
            if self._keys is not None:
                at, keys = self._keys
                age = self._clock() - at
                if age < AGAIN_NS or (age < KNOWN_NS and keys is not rather_than):
                    return keys
            keys = oidc_token.key_set(await self._get(told.jwks))
            self._keys = self._clock(), keys
            return keys

    async def _metadata(self) -> Metadata:
        async with self._lock:
            now = self._clock()
            if self._told is not None and now - self._told[0] < KNOWN_NS:
                return self._told[1]
            where = self.settings.issuer.rstrip("/") + "/.well-known/openid-configuration"
            told = _metadata(await self._get(where), self.settings.issuer)
            self._told = now, told
            return told

    async def _get(self, url: str) -> Mapping[str, Any]:
        """Ask, but not again at once where it did not answer: others wait behind. Raises NotNow."""
        if self._down is not None and self._clock() - self._down[0] < DOWN_NS:
            raise NotNow(self._down[1])
        try:
            answer = await self.http.get(url)
        except NotNow as error:
            self._down = self._clock(), str(error)
            raise
        self._down = None
        return answer

    @asynccontextmanager
    async def _place(self) -> AsyncIterator[None]:
        if self._waiting >= WAITING:
            self.counts["busy"] += 1
            raise Busy("too many sign in at this moment")
        self._waiting += 1
        try:
            yield
        finally:
            self._waiting -= 1

    def _note(self, what: str, error: PortalError) -> None:
        """Count it; the log has the first and every hundredth of a kind."""
        self.counts[what] += 1
        if self.counts[what] % 100 == 1:
            _log.warning("oidc %s: %s (%d so far)", self.settings.id, error, self.counts[what])


def _metadata(told: Mapping[str, Any], issuer: str) -> Metadata:
    if told.get("issuer") != issuer:
        raise NotNow("what is found at issuer names another issuer")
    found = {
        name: told.get(name) for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")
    }
    for name, value in found.items():
        if not isinstance(value, str) or not _ADDRESS.fullmatch(value):
            raise NotNow(f"the provider's {name} is no https address")
    listed = told.get("token_endpoint_auth_methods_supported")
    by = listed if isinstance(listed, list) else ["client_secret_basic"]
    ways = [way for way in ("client_secret_post", "client_secret_basic") if way in by]
    if not ways:
        raise NotNow("the provider takes no client secret")
    return Metadata(
        authorization=str(found["authorization_endpoint"]),
        token=str(found["token_endpoint"]),
        jwks=str(found["jwks_uri"]),
        secret_by=ways[0],
        tells_issuer=told.get("authorization_response_iss_parameter_supported") is True,
    )
