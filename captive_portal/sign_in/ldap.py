"""LDAP on the wire: connections under TLS, binds and searches. Nothing else here knows ldap3.

Nothing is said to a server before TLS 1.2 or newer with a certificate that was signed by the CA of
the settings for the server's name. Referrals are not followed, and an empty password never gets as
far as a bind: it would succeed for anybody (RFC 4513 5.1.2).
"""

from __future__ import annotations

import re
import ssl
import time
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from socket import SHUT_RDWR
from threading import Lock
from typing import Any, Literal
from urllib.parse import urlsplit

from ldap3 import NONE, SYNC, Server, Tls
from ldap3 import Connection as Connection
from ldap3.core.exceptions import LDAPException
from ldap3.utils.conv import escape_filter_chars
from ldap3.utils.dn import escape_rdn, parse_dn
from typing_extensions import override

from captive_portal.errors import Refused
from captive_portal.people import names
from captive_portal.sign_in.way import Unknown

LIMIT_S = 2
"""Seconds for making a connection, and for each answer."""
IDLE_S = 60.0
"""Seconds. A connection that nobody used for this long is closed."""
MOST_IDLE = 8
WRONG_PASSWORD = "wrong password"  # noqa: S105  # a reason
_RIGHT, _SIZE_LIMIT, _NO_SUCH_OBJECT, _INVALID_DN, _WRONG = 0, 4, 32, 34, 49
_REFUSING = {19: "against a rule", 50: "may not sign in", 53: "disabled or against a rule"}
# What Active Directory says besides (MS-ADTS 5.1.1.2): Windows error codes.
_AD_REASONS = {
    "525": "unknown",
    "530": "outside its hours",
    "531": "not from here",
    "532": "password expired",
    "533": "disabled",
    "701": "expired",
    "773": "password must be changed",
    "775": "locked",
}
_AD_CODE = re.compile(r"\bdata ([0-9a-fA-F]{3,4})\b")


class Failed(Exception):
    """A server did not do its part; another may."""


class Stale(Failed):
    """A connection that was kept had been closed; the same server may."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Somebody, or a group, as the directory has them."""

    dn: str
    values: Mapping[str, Sequence[bytes]]
    """By attribute in lower case."""

    def text(self, attribute: str) -> str:
        """Return the first value, or nothing."""
        found = self.values.get(attribute.lower())
        return names.clean(found[0].decode("utf-8", "replace")) if found else ""


class _Tls(Tls):
    """TLS with Python's own checks of certificate and name; ldap3's default checks nothing."""

    def __init__(self, checks: ssl.SSLContext) -> None:
        super().__init__(validate=ssl.CERT_REQUIRED)
        self._checks = checks

    @override
    def wrap_socket(self, connection: Any, do_handshake: bool = False) -> None:
        """Shake hands at once."""
        connection.socket = self._checks.wrap_socket(
            connection.socket, server_hostname=connection.server.host
        )


class Pool:
    """The connections to one server, for many threads."""

    def __init__(self, url: str, checks: ssl.SSLContext) -> None:
        parts = urlsplit(url)
        self.name = parts.netloc
        self.down_until = 0.0
        """By time.monotonic()."""
        self._secure = parts.scheme == "ldaps"
        self._server = Server(
            parts.hostname or "",
            port=parts.port or (636 if self._secure else 389),
            use_ssl=self._secure,
            tls=_Tls(checks),
            connect_timeout=LIMIT_S,
            get_info=NONE,
        )
        self._idle: list[tuple[float, Connection]] = []
        self._used: dict[int, tuple[float, Connection]] = {}
        self._lock = Lock()

    def close(self) -> None:
        """Close what is idle."""
        with self._lock:
            idle, self._idle = self._idle, []
        for _, connection in idle:
            _drop(connection)

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """Give a connection under TLS; who is bound on it is nobody's or anybody's.

        Raises:
            Stale: one that was kept is of no use; the next one is new.
            Failed: there is none to be had, or it broke.
        """
        kept = self._kept()
        connection = kept or self._new()
        with self._lock:
            self._used[id(connection)] = time.monotonic(), connection
        try:
            yield connection
        except Failed:
            _drop(connection)
            raise
        except Exception as error:  # a server may send anything
            _drop(connection)
            self.close()
            kind = Stale if kept else Failed
            raise kind(f"{self.name}: {type(error).__name__}: {error}") from error
        finally:
            with self._lock:
                self._used.pop(id(connection), None)
        with self._lock:
            if len(self._idle) < MOST_IDLE:
                self._idle.append((time.monotonic(), connection))
                return
        _drop(connection)

    def cut(self, age_s: float) -> None:
        """End what has been used for so long: a server that says a little now and then never ends.

        Whoever waits on such a connection is woken, and finds it broken.
        """
        now = time.monotonic()
        with self._lock:
            old = [one for since, one in self._used.values() if now - since >= age_s]
        for connection in old:
            with suppress(OSError, AttributeError):
                connection.socket.shutdown(SHUT_RDWR)

    def _kept(self) -> Connection | None:
        now = time.monotonic()
        with self._lock:
            old = [one for since, one in self._idle if since < now - IDLE_S]
            self._idle = [(since, one) for since, one in self._idle if since >= now - IDLE_S]
            kept = self._idle.pop()[1] if self._idle else None
        for one in old:
            _drop(one)
        return kept

    def _new(self) -> Connection:
        connection = Connection(
            self._server,
            client_strategy=SYNC,
            auto_referrals=False,
            check_names=False,
            read_only=True,
            receive_timeout=LIMIT_S,
        )
        try:
            connection.open(read_server_info=False)
            if not self._secure:
                connection.start_tls(read_server_info=False)
        except Exception as error:  # a server may send anything
            _drop(connection)
            raise Failed(f"{self.name}: {connection.last_error or error}") from error
        if not isinstance(connection.socket, ssl.SSLSocket):
            _drop(connection)
            raise Failed(f"{self.name}: no TLS")
        return connection


def bind(connection: Connection, user: str, password: str) -> None:
    """Bind, anew where somebody was bound before.

    Raises:
        Unknown: there is no such entry.
        Refused: wrong, disabled, locked or expired; the message is the reason.
        Failed: the server could not say.
    """
    if not user or not password:
        raise Refused("empty password")
    # As octets: as text it would go through SASLprep, which takes sara am apart and refuses signs.
    octets = unicodedata.normalize("NFC", password).encode()
    connection.rebind(user=user, password=octets, authentication="SIMPLE", read_server_info=False)
    code, message = connection.result["result"], str(connection.result.get("message", ""))
    if code == _RIGHT:
        return
    if code in (_NO_SUCH_OBJECT, _INVALID_DN):
        raise Unknown("unknown")
    if code == _WRONG:
        told = _AD_CODE.search(message)
        reason = _AD_REASONS.get(told[1].lower(), WRONG_PASSWORD) if told else WRONG_PASSWORD
        raise Unknown(reason) if reason == "unknown" else Refused(reason)
    if code in _REFUSING:
        raise Refused(_REFUSING[code])
    raise Failed(f"bind: {connection.result.get('description', code)}")


def search(
    connection: Connection,
    base: str,
    wanted: str,
    attributes: Sequence[str],
    *,
    most: int,
    scope: Literal["BASE", "SUBTREE"] = "SUBTREE",
) -> list[Entry]:
    """Return what is found, at most so many.

    Raises:
        Failed: the server could not say.
    """
    connection.search(
        base,
        wanted,
        search_scope=scope,
        attributes=list(attributes) or ["1.1"],
        size_limit=most,
        time_limit=LIMIT_S,
    )
    code = connection.result["result"]
    gone = code == _NO_SUCH_OBJECT and scope == "BASE"
    if code not in (_RIGHT, _SIZE_LIMIT) and not gone:
        raise Failed(f"search: {connection.result.get('description', code)}")
    found = [one for one in connection.response or () if one.get("type") == "searchResEntry"]
    return [
        Entry(
            dn=str(one["dn"]),
            values={str(k).lower(): list(v) for k, v in one["raw_attributes"].items() if v},
        )
        for one in found[:most]
    ]


def who_am_i(connection: Connection) -> str:
    """Return as whom the server has bound somebody (RFC 4532): `dn:…` or `u:…`, or nothing."""
    said = connection.extend.standard.who_am_i()
    return said if isinstance(said, str) else ""


def in_filter(text: str) -> str:
    """Return what somebody typed as it may stand in a filter (RFC 4515 section 3)."""
    return str(escape_filter_chars(text))


def in_dn(text: str) -> str:
    """Return what somebody typed as it may stand in a DN (RFC 4514 section 2.4)."""
    return str(escape_rdn(text))


def plain(dn: str) -> str:
    """Return a DN, or a name, as it compares."""
    if "=" not in dn:
        return dn.casefold()
    try:
        parts = parse_dn(dn, strip=True)
    except (LDAPException, IndexError):
        return dn.casefold()
    return ",".join(f"{kind}={value}" for kind, value, _ in parts).casefold()


def _drop(connection: Connection) -> None:
    with suppress(LDAPException, OSError):
        connection.strategy.close()
