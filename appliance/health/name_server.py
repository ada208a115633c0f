"""Puts records into a zone of the DNS by dynamic update (RFC 2136), signed by TSIG (RFC 8945)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import dns.exception
import dns.name
import dns.query
import dns.rcode
import dns.resolver
import dns.tsig
import dns.tsigkeyring
import dns.update

from appliance.errors import BoxError
from appliance.settings import Acme

ANSWER_S = 10.0
TTL_S = 60


class UpdateFailed(BoxError):
    """The name server did not take it."""


@dataclass(frozen=True, slots=True)
class NameServer:
    """A name server that takes updates of one zone from us."""

    host: str
    port: int
    zone: str
    key_name: str
    algorithm: str
    secret: str

    def put(self, name: str, text: str) -> None:
        """Let a name have one TXT record and no other.

        Raises:
            UpdateFailed: it did not come through.
        """
        update = self._update()
        update.replace(dns.name.from_text(name), TTL_S, "TXT", f'"{text}"')
        self._send(update, f"put a record at {name}")

    def take(self, name: str) -> None:
        """Take the TXT records of a name away.

        Raises:
            UpdateFailed: it did not come through.
        """
        update = self._update()
        update.delete(dns.name.from_text(name), "TXT")
        self._send(update, f"take the record at {name} away")

    def _update(self) -> dns.update.UpdateMessage:
        try:
            ring = dns.tsigkeyring.from_text({self.key_name: self.secret})
            return dns.update.UpdateMessage(
                self.zone,
                keyring=ring,
                keyname=dns.name.from_text(self.key_name),
                keyalgorithm=self.algorithm,
            )
        except (ValueError, dns.exception.DNSException) as error:
            raise UpdateFailed(
                f"settings: acme: the key for {self.host} is none: {error}",
                hint="the file of tsig_secret holds the secret alone, in base64",
            ) from error

    def _send(self, update: dns.update.UpdateMessage, what: str) -> None:
        try:
            answer = dns.query.tcp(update, self.host, timeout=ANSWER_S, port=self.port)
        except (OSError, dns.exception.DNSException) as error:
            raise UpdateFailed(f"name server {self.host}: cannot {what}: {error}") from error
        if answer.rcode() != dns.rcode.NOERROR:
            said = dns.rcode.to_text(answer.rcode())
            raise UpdateFailed(
                f"name server {self.host} refused to {what}: {said}",
                hint=f"its zone {self.zone} must allow updates with the key {self.key_name}",
            )


def name_server(home: Path, settings: Acme) -> NameServer:
    """Return the name server of the settings.

    Raises:
        UpdateFailed: the secret cannot be read.
    """
    path = home / settings.tsig_secret
    try:
        secret = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UpdateFailed(f"settings: acme: tsig_secret: {path}: {error}") from error
    host, _, port = settings.name_server.rpartition(":")
    return NameServer(
        host=host.strip("[]"),
        port=int(port),
        zone=settings.zone,
        key_name=settings.tsig_name,
        algorithm=settings.tsig_algorithm,
        secret=secret,
    )
