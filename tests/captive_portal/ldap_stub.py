"""A directory that answers what a test wants, under TLS: what no real server here would say."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from ldap3.protocol import rfc4511 as asn1
from ldap3.strategy.base import BaseStrategy
from pyasn1.codec.ber import decoder, encoder

Entry = tuple[str, Mapping[str, Sequence[bytes]]]
OnBind = Callable[[str, str], tuple[int, str]]
OnSearch = Callable[[str, str], Sequence[Entry]]
"""From base and filter, as pyasn1 prints it."""


class LdapStub:
    """A server in a thread.

    With `mute` it takes connections and says nothing; with `says`, it says that, bit by bit.
    """

    def __init__(
        self,
        certificate: tuple[Path, Path],
        *,
        on_bind: OnBind = lambda _dn, _password: (0, ""),
        on_search: OnSearch = lambda _base, _wanted: (),
        mute: bool = False,
        says: Sequence[bytes] = (),
        who: str = "",
    ) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(*certificate)
        self._on_bind, self._on_search, self._mute = on_bind, on_search, mute
        self._says = says
        self._who = who
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"ldaps://localhost:{self._listener.getsockname()[1]}"
        self.connections = 0
        self.binds: list[tuple[str, str]] = []
        self.searches: list[str] = []
        self._open: list[socket.socket] = []

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        for one in (self._listener, *self._open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.connections += 1
                self._open.append(connection)
                if not self._mute:
                    threading.Thread(target=self._serve, args=[connection], daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            secure = self._context.wrap_socket(connection, server_side=True)
            self._open.append(secure)
            for octets in self._says:
                secure.sendall(octets)
                time.sleep(0.05)
            left = b""
            while more := secure.recv(65536):
                left += more
                while (size := _size(left)) != -1 and size <= len(left):
                    message, _ = decoder.decode(left[:size], asn1Spec=asn1.LDAPMessage())
                    left = left[size:]
                    for answer in self._answers(message):
                        secure.sendall(encoder.encode(answer))

    def _answers(self, message: Any) -> list[Any]:
        number, operation = message["messageID"], message["protocolOp"]
        kind, body = operation.getName(), operation.getComponent()
        if kind == "bindRequest":
            dn, password = str(body["name"]), bytes(body["authentication"].getComponent()).decode()
            self.binds.append((dn, password))
            return [
                _message(
                    number,
                    "bindResponse",
                    _result(asn1.BindResponse(), *self._on_bind(dn, password)),
                )
            ]
        if kind == "searchRequest":
            wanted = body["filter"].prettyPrint()
            self.searches.append(wanted)
            found = [
                _message(number, "searchResEntry", _entry(*one))
                for one in self._on_search(str(body["baseObject"]), wanted)
            ]
            done = _message(number, "searchResDone", _result(asn1.SearchResultDone(), 0, ""))
            return [*found, done]
        if kind == "extendedReq":
            body = _result(asn1.ExtendedResponse(), 0 if self._who else 2, "")
            if self._who:
                body["responseValue"] = asn1.ResponseValue(self._who.encode())
            return [_message(number, "extendedResp", body)]
        return []


def _size(octets: bytes) -> int:
    size: int = BaseStrategy.compute_ldap_message_size(octets)  # type: ignore[no-untyped-call]
    return size


def _result(body: Any, code: int, told: str) -> Any:
    body["resultCode"] = code
    body["matchedDN"], body["diagnosticMessage"] = "", told
    return body


def _entry(dn: str, values: Mapping[str, Sequence[bytes]]) -> Any:
    body = asn1.SearchResultEntry()
    body["object"] = dn
    body["attributes"] = asn1.PartialAttributeList()
    for at, (name, several) in enumerate(values.items()):
        one = asn1.PartialAttribute()
        one["type"] = name
        one["vals"] = asn1.Vals()
        for number, value in enumerate(several):
            one["vals"][number] = asn1.AttributeValue(value)
        body["attributes"][at] = one
    return body


def _message(number: int, kind: str, body: Any) -> Any:
    made = asn1.LDAPMessage()
    made["messageID"] = number
    made["protocolOp"] = asn1.ProtocolOp().setComponentByName(kind, body)
    return made
