"""What FreeRADIUS asks us over HTTP on loopback: whether a proof inside a tunnel is right (ASGI).

`/radius/authorize` comes with what the phone sent inside; a password as typed is looked at here
and now, for MSCHAPv2 the NT hash goes back. `/radius/post-auth` comes when the proof was right, and
gives the Class that goes out with the Access-Accept. `/radius/certificate` comes when a device has
shown a certificate that FreeRADIUS finds good.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import uuid4

from captive_portal.errors import PortalError, Refused
from captive_portal.people import names
from captive_portal.people.accounts import Account
from captive_portal.people.device_certificates import DeviceCertificates, Proof
from captive_portal.radius import judging
from captive_portal.radius.book import Book, Standing
from captive_portal.radius.counters import Counters
from captive_portal.radius.eap import Tunnels
from captive_portal.radius.judging import Verdict
from captive_portal.radius.login import Login, MsChap2, Pap
from captive_portal.radius.ticket import Ticket
from captive_portal.sessions.session import Ids
from captive_portal.sign_in.way import Attempt, Busy, NotNow, TooOften

MOST = 64 << 10
"""Octets of a request."""
ANONYMOUS = "anonymous"
OUTER = "outer-name-of-another"
_NOT_TAKEN = {
    "MS-CHAP-Response": "mschap-of-first-version",
    "CHAP-Password": "chap-needs-a-clear-password",
}
"""Proofs that FreeRADIUS would look at if it had the hash, and we do not take."""
_COMPUTER = "host/"
"""Before the name, where Windows signs a computer in and not its user."""
_NO_PROOF = MsChap2(id=0, server=b"", peer=b"", proof=b"")
_OK, _REFUSED, _FORBIDDEN, _UNKNOWN, _BUSY = 200, 401, 403, 404, 503
Values = Mapping[str, str]
Answer = tuple[int, dict[str, Any]]
Check = Callable[[Attempt], Awaitable[Any]]


class Rest:
    """An ASGI app."""

    def __init__(  # noqa: PLR0913  # its parts
        self,
        tunnels: Tunnels,
        *,
        token: str,
        realm: str,
        book: Book,
        check: Check,
        ids: Ids,
        now: Callable[[], datetime],
        counters: Counters,
        note: Callable[[Login, Standing | None, str], None],
        certificates: DeviceCertificates,
        elsewhere: bool,
    ) -> None:
        """Keep the parts.

        Args:
            tunnels: The requests that FreeRADIUS has.
            token: What it shows us.
            realm: Behind `anonymous@` in an outer name; empty: any.
            book: People.
            check: Looks at a password as typed.
            ids: The home's.
            now: The time.
            counters: Of the authentication port.
            note: Takes a refusal of somebody known.
            certificates: Those of the school's devices.
            elsewhere: Passwords are also asked of a directory or another server.
        """
        basic = base64.b64encode(f"freeradius:{token}".encode())
        self._shown = b"Basic " + basic
        self._tunnels = tunnels
        self._realm = realm
        self._book = book
        self._check = check
        self._ids = ids
        self._now = now
        self._counters = counters
        self._note = note
        self._certificates = certificates
        self._elsewhere = elsewhere
        self._does: dict[str, Callable[[Values, Login], Awaitable[Answer]]] = {
            "/radius/authorize": self._authorize,
            "/radius/post-auth": self._post_auth,
            "/radius/certificate": self._certificate,
        }

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401  # ASGI
        """Answer one request."""
        if scope["type"] != "http":
            return
        status, told = await self._answer(scope, receive)
        octets = json.dumps(told).encode()
        head = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(octets))]
        await send({"type": "http.response.start", "status": status, "headers": head})
        await send({"type": "http.response.body", "body": octets})

    async def _answer(self, scope: Any, receive: Any) -> Answer:  # noqa: ANN401  # ASGI
        shown = dict(scope["headers"]).get(b"authorization", b"")
        if not hmac.compare_digest(shown, self._shown):
            return _FORBIDDEN, {}
        work = self._does.get(scope["path"])
        if scope["method"] != "POST" or work is None:
            return _UNKNOWN, {}
        try:
            values = read(await _body(receive))
        except ValueError:
            return 400, {}
        outer = self._tunnels.of(values.get("Operator-Name", ""))
        if outer is None:
            return _FORBIDDEN, {}
        return await work(values, outer)

    async def _authorize(self, values: Values, outer: Login) -> Answer:
        user = names.clean(values.get("User-Name", ""))
        tried = replace(outer, user=user, user_octets=user.encode(), eap=False)
        if not user or not self.fits(outer.user, user):
            # A pupil could type a teacher's name outside, and some NASes believe it.
            return self._no(tried, judging.refused(OUTER if user else "no-name"))
        if tried.device:
            return self._no(tried, judging.refused("mac-in-a-tunnel"))
        if wrong := next((why for name, why in _NOT_TAKEN.items() if name in values), ""):
            return self._no(tried, judging.refused(wrong))
        password = values.get("User-Password")
        if password is None:
            return await self._hash(replace(tried, credential=_NO_PROOF))
        typed = replace(tried, credential=Pap(password=password))
        return await self._typed(typed, values["Operator-Name"])

    def fits(self, outer: str, inner: str) -> bool:
        """Say whether a name outside may stand there for the one inside (R-12)."""
        if not outer or names.folded(outer) == names.folded(inner):
            return True
        name, _, realm = outer.partition("@")
        right = not self._realm or not realm or realm.casefold() == self._realm.casefold()
        return right and name.casefold() in ("", ANONYMOUS)

    async def _typed(self, tried: Login, word: str) -> Answer:
        """Have a password looked at; `word` names the request."""
        try:
            account = await self._check(tried.attempt)
        except TooOften:
            return self._no(tried, judging.refused("too-often"))
        except Refused:
            return self._no(tried, judging.refused(judging.WRONG))
        except (Busy, NotNow):
            return _BUSY, {}
        now = self._now()
        standing = await asyncio.to_thread(self._book.standing, account, tried, now)
        verdict = judging.allow(tried, standing, now)
        if not verdict.accepted:
            return self._no(tried, verdict)
        self._tunnels.typed(word, account.id)
        return _OK, {"control:Auth-Type": _set("Accept")}

    async def _hash(self, tried: Login) -> Answer:
        """Give the NT hash of somebody who may be on."""
        now = self._now()
        try:
            (standing,) = await asyncio.to_thread(self._book.look, [tried], now)
        except PortalError:
            return _BUSY, {}
        if standing is None:
            # A directory may know them, but cannot be asked about MSCHAPv2.
            nobody = "mschap-not-known-here" if self._elsewhere else judging.NOBODY
            return self._no(tried, judging.refused(nobody))
        if standing.nt_hash is None:
            return self._no(tried, judging.refused(judging.unhashed(standing), standing))
        verdict = judging.allow(tried, standing, now)
        if not verdict.accepted:
            return self._no(tried, verdict)
        return _OK, {"control:NT-Password": _set(f"0x{standing.nt_hash.hex()}")}

    async def _post_auth(self, values: Values, outer: Login) -> Answer:
        person = self._tunnels.person(values["Operator-Name"])
        if person is None:
            # By MSCHAPv2, with the hash of the account of that name.
            user = names.clean(values.get("User-Name", ""))
            account = await asyncio.to_thread(self._book.account, outer.site, user)
        else:
            account = await asyncio.to_thread(self._book.person, person)
        return self._class(account, outer) if account else (_REFUSED, {})

    def _class(self, account: Account, outer: Login) -> Answer:
        given = Ticket(session=uuid4(), person=account.id, site=outer.site)
        return _OK, {"reply:Class": _set(f"0x{given.octets(self._ids).hex()}")}

    async def _certificate(self, values: Values, outer: Login) -> Answer:
        """Say whether a device may be on with the certificate that it has proven to hold."""
        now, serial = self._now(), values.get("TLS-Client-Cert-Serial", "")
        proof = await asyncio.to_thread(self._certificates.proof, outer.site, serial, now)
        if proof is None:
            return self._no(outer, judging.refused("certificate-unknown"))
        device = replace(outer, user=proof.issued.mac, user_octets=b"", eap=False)
        account, wrong = proof.account, certificate_fault(proof, outer)
        if account is None or wrong:
            return self._no(device, judging.refused(wrong))
        standing = await asyncio.to_thread(self._book.standing, account, device, now)
        if not self.fits(outer.user.removeprefix(_COMPUTER), account.account):
            return self._no(device, judging.refused(OUTER, standing))
        verdict = judging.allow(device, standing, now)
        if not verdict.accepted:
            return self._no(device, verdict)
        self._tunnels.device(values["Operator-Name"], proof.issued.mac)
        return self._class(account, outer)

    def _no(self, tried: Login, verdict: Verdict) -> Answer:
        self._counters.add(tried.nas.source, f"reject {verdict.reason}")
        self._note(tried, verdict.standing, verdict.reason)
        return _REFUSED, {}


def certificate_fault(proof: Proof, outer: Login) -> str:
    """Return why a certificate that is good as such lets nobody in; empty: it does."""
    if proof.issued.revoked_at is not None:
        return "certificate-revoked"
    if proof.account is None:
        return "certificate-of-no-listed-device"
    # A key that was taken out of one device is of no use in another.
    return "" if outer.mac == proof.issued.mac else "certificate-of-another-device"


def _set(value: str) -> dict[str, Any]:
    # Without `do_xlat` a % or { in a value would be run as a program of FreeRADIUS's.
    return {"op": ":=", "value": [value], "do_xlat": False}


async def _body(receive: Any) -> bytes:  # noqa: ANN401  # ASGI
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > MOST or message["type"] != "http.request":
            raise ValueError("too large")
    return body


def read(body: bytes) -> dict[str, str]:
    """Return the first value of each attribute in rlm_rest's JSON.

    Raises:
        ValueError: it is something else.
    """
    document = json.loads(body)
    if not isinstance(document, dict):
        raise ValueError("no object")  # noqa: TRY004  # one error for all that is wrong
    found = {}
    for name, told in document.items():
        values = told.get("value") if isinstance(told, dict) else None
        if isinstance(values, list) and values:
            found[str(name)] = repaired(str(values[0]))
    return found


def repaired(text: str) -> str:
    """Return text of which rlm_rest wrote each octet of UTF-8 as a character of its own.

    Some builds do, others write UTF-8: what is not UTF-8 when taken as octets is left as it is.
    """
    try:
        return text.encode("latin-1").decode("utf-8")
    except (UnicodeEncodeError, UnicodeDecodeError):
        return text
