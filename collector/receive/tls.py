"""TLS of one connection, as bytes in and bytes out (RFC 5425 over TLS 1.2 and 1.3).

No sockets here: `feed` takes what came and returns what it says in the clear, `outgoing` what is
to be sent back. Whatever comes, it ends in text, in waiting for more, or in one reason in words.
"""

from __future__ import annotations

import contextlib
import logging
import ssl
from pathlib import Path
from typing import Any

from collector.errors import SettingsError
from collector.receive import certificate
from collector.records import Clock
from collector.settings import SyslogTls

HANDSHAKE_BYTES = 64 << 10
"""A sender may use so many for its handshake, certificates included."""
PEER_LENGTH = 128
_PIECE = 1 << 14
"""The most that one TLS record holds."""
_REASONS = {
    "CERTIFICATE_VERIFY_FAILED": "its certificate is refused",
    "HTTP_REQUEST": "it speaks HTTP",
    "NO_SHARED_CIPHER": "it has no cipher in common with the box",
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": "it shows no certificate, and one is required",
    "SSLV3_ALERT_BAD_CERTIFICATE": "it refuses the box's certificate",
    "TLSV1_ALERT_UNKNOWN_CA": "it does not trust the box's certificate",
    "UNSUPPORTED_PROTOCOL": "its TLS is older than 1.2",
    "VERSION_TOO_LOW": "its TLS is older than 1.2",
    "WRONG_VERSION_NUMBER": "it does not speak TLS",
}

_log = logging.getLogger(__name__)


class Session:
    """The box's end of one TLS connection."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self.established = False
        self.ended = False
        """Nothing more comes: the sender said so, or `fault` says why."""
        self.fault = ""
        self.peer = ""
        """The name in the sender's certificate, when it showed one."""
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._in, self._out, server_side=True)
        self._came = 0

    def feed(self, data: bytes | memoryview) -> list[bytes]:
        """Return what `data` says in the clear."""
        self._in.write(data)
        found: list[bytes] = []
        try:
            if not self.established and not self._shake_hands(len(data)):
                return found
            while piece := self._tls.read(_PIECE):
                found.append(piece)
            self.ended = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as error:
            self._fail(_reason(error))
        except ValueError:  # of a name in the certificate that is no text
            self._fail("its certificate is refused: malformed")
        return found

    def outgoing(self) -> bytes:
        """Return what is to be sent to the other end, once."""
        return self._out.read()

    def close(self) -> None:
        """Say that nothing more comes from here; no answer is waited for."""
        with contextlib.suppress(ssl.SSLError, ValueError):
            self._tls.unwrap()

    def _shake_hands(self, came: int) -> bool:
        if self._came > HANDSHAKE_BYTES:
            self._fail("its handshake is too long")
            return False
        self._came += came  # what comes with its end may be messages already
        self._tls.do_handshake()
        self.established = True
        self.peer = _name(self._tls)
        return True

    def _fail(self, reason: str) -> None:
        self.ended = True
        self.fault = reason


def context(home: Path, settings: SyslogTls) -> ssl.SSLContext:
    """Return what all sessions share, from the files that the settings name.

    Raises:
        SettingsError: one of them is missing or wrong.
    """
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION | ssl.OP_NO_TICKET
    # A ticket would be the one thing that the box says after the handshake: written to a sender
    # that has closed already, it resets the connection and what came last is lost.
    made.num_tickets = 0
    certificate, key = home / settings.certificate, home / settings.key
    try:
        made.load_cert_chain(certificate, key, password="")  # none: it must not ask on a terminal
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"syslog_tls: certificate {certificate} and key {key}: {_said(error)}",
            hint="PEM files that belong together; without both the box makes its own",
        ) from error
    ask_for_certificates(made, home, settings)
    return made


def ask_for_certificates(made: ssl.SSLContext, home: Path, settings: SyslogTls) -> None:
    """Make `made` ask senders for certificates, if the settings say by whom.

    Raises:
        SettingsError: that file is missing or wrong.
    """
    if not settings.client_ca:
        return
    path = home / settings.client_ca
    try:
        made.load_verify_locations(path)
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"syslog_tls: client_ca {path}: {_said(error)}",
            hint="a PEM file with the certificates of who issues the senders'",
        ) from error
    required = settings.client_certificate == "required"
    made.verify_mode = ssl.CERT_REQUIRED if required else ssl.CERT_OPTIONAL


class Keeper:
    """The certificates of TLS, taken up anew when their files change."""

    def __init__(self, home: Path, settings: SyslogTls, *, clock: Clock) -> None:
        self.fingerprints: dict[str, str] = {}
        self._home = home
        self._settings = settings
        self._clock = clock
        self._stamp: tuple[int, ...] = ()

    def take(self) -> ssl.SSLContext:
        """Return what connections are made with; a certificate of our own making if there is none.

        Raises:
            SettingsError: a file is missing or wrong.
        """
        if certificate.is_ours(self._home, self._settings):
            certificate.make(self._home, self._settings, clock=self._clock)
        self._stamp = certificate.stamp(self._home, self._settings)
        return self._read("certificate")

    def changed(self) -> ssl.SSLContext | None:
        """Return the same for connections from now on, if the files have changed and are right."""
        stamp = certificate.stamp(self._home, self._settings)
        if stamp == self._stamp:
            return None
        self._stamp = stamp
        try:
            return self._read("now certificate")
        except SettingsError as error:
            _log.warning("%s (what was there before is used on)", error)
            return None

    def _read(self, what: str) -> ssl.SSLContext:
        made = context(self._home, self._settings)
        self.fingerprints = certificate.fingerprints(self._home / self._settings.certificate)
        _log.info("tls: %s %s", what, self.fingerprints["sha256"])
        return made


def _said(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return _reason(error)
    return getattr(error, "strerror", None) or str(error)


def _reason(error: ssl.SSLError) -> str:
    """Return why, in OpenSSL's own words or better ones; nothing in it is the sender's text."""
    code = error.reason or "UNEXPECTED_END"
    told = _REASONS.get(code, code.lower().replace("_", " "))
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"{told}: {error.verify_message}"
    return told


def _name(tls: ssl.SSLObject) -> str:
    """Return the first DNS name in the peer's certificate, else its common name (RFC 5425, 4.2)."""
    shown: dict[str, Any] = tls.getpeercert() or {}
    names = [value for kind, value in shown.get("subjectAltName", ()) if kind == "DNS"]
    for part in shown.get("subject", ()):
        names += [value for kind, value in part if kind == "commonName"]
    return "".join(sign for sign in (names or [""])[0] if sign.isprintable())[:PEER_LENGTH]
