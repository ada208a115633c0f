"""Sends RADIUS requests that were made beforehand, so many at a time, and checks each answer.

One socket, as one NAS has; a request waits until the one 256 before it is answered. What is not
answered in time is sent again as it was.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import select
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

ACCESS_REQUEST, ACCEPT, ACCOUNTING_REQUEST, ACCOUNTING_RESPONSE = 1, 2, 4, 5
AGAIN_S, TRIES = 2.0, 10
IDS = 256
Attributes = Sequence[tuple[int, bytes]]


class Load(NamedTuple):
    """What came of it."""

    per_s: float
    cpu: float
    """Of this process, cores."""
    again: int
    """Requests that were sent more than once."""


def accounting(requests: Iterator[Attributes], secret: bytes) -> list[bytes]:
    """Return Accounting-Requests (RFC 2866 3)."""
    made = []
    for number, attributes in enumerate(requests):
        body = _body(attributes)
        head = bytes((ACCOUNTING_REQUEST, number % IDS)) + (20 + len(body)).to_bytes(2, "big")
        made.append(head + _md5(head + bytes(16) + body + secret) + body)
    return made


def access(requests: Iterator[tuple[Attributes, bytes]], secret: bytes) -> list[bytes]:
    """Return Access-Requests of attributes and password, signed (RFC 2865 5.2, RFC 3579 3.2)."""
    made = []
    for number, (attributes, password) in enumerate(requests):
        random = os.urandom(16)
        mask = _md5(secret + random)
        hidden = bytes(a ^ b for a, b in zip(password.ljust(16, b"\0"), mask, strict=False))
        if len(password) > 16:
            rest = password[16:].ljust(16, b"\0")
            hidden += bytes(a ^ b for a, b in zip(rest, _md5(secret + hidden), strict=True))
        body = _body(((80, bytes(16)), (2, hidden), *attributes))
        head = bytes((ACCESS_REQUEST, number % IDS)) + (20 + len(body)).to_bytes(2, "big") + random
        made.append(head + body[:2] + hmac.digest(secret, head + body, "md5") + body[18:])
    return made


def send(port: int, requests: Sequence[bytes], secret: bytes, *, at_once: int) -> Load:
    """Send them all to a port of loopback, and return when each has the answer that it wants.

    Raises:
        RuntimeError: one has another answer, or none.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
        wire.connect(("127.0.0.1", port))
        wire.setblocking(False)
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        began, used = time.monotonic(), time.process_time()
        again = _Sending(wire, requests, secret, at_once).run()
        took, used = time.monotonic() - began, time.process_time() - used
    return Load(per_s=len(requests) / took, cpu=used / took, again=again)


class _Sending:
    def __init__(
        self, wire: socket.socket, requests: Sequence[bytes], secret: bytes, at_once: int
    ) -> None:
        self._wire = wire
        self._requests = requests
        self._secret = secret
        self._at_once = at_once
        self._under_way: dict[int, int] = {}
        """Of ids, the numbers of the requests that wait for an answer."""
        self._sent: dict[int, tuple[float, int]] = {}
        self._next = self._again = 0

    def run(self) -> int:
        """Return how many requests were sent again."""
        requests, under_way = self._requests, self._under_way
        while self._next < len(requests) or under_way:
            now = time.monotonic()
            while self._next < len(requests) and len(under_way) < self._at_once:
                if self._next % IDS in under_way:
                    break
                self._send(self._next, now, 1)
                self._next += 1
            if not select.select([self._wire], [], [], 0.2)[0]:
                self._repeat(time.monotonic())
                continue
            self._answers()
            if self._sent and now - next(iter(self._sent.values()))[0] > AGAIN_S:
                self._repeat(now)
        return self._again

    def _send(self, number: int, now: float, tries: int) -> None:
        if tries > TRIES:
            raise RuntimeError(f"request {number} is not answered")
        self._under_way[number % IDS] = number
        self._sent[number] = now, tries
        try:
            self._wire.send(self._requests[number])
        except (BlockingIOError, ConnectionRefusedError):
            return  # as if it were lost on the way

    def _repeat(self, now: float) -> None:
        late = [(n, tries) for n, (at, tries) in self._sent.items() if now - at > AGAIN_S]
        for number, tries in late:
            del self._sent[number]
            self._again += 1
            self._send(number, now, tries + 1)

    def _answers(self) -> None:
        receive: Callable[[int], bytes] = self._wire.recv
        try:
            while self._under_way:
                self._take(receive(4096))
        except (BlockingIOError, ConnectionRefusedError):
            return

    def _take(self, answer: bytes) -> None:
        number = self._under_way.get(answer[1])
        if number is None:
            return  # a copy
        asked = self._requests[number]
        proof = _md5(answer[:4] + asked[4:20] + answer[20:] + self._secret)
        if proof != answer[4:20]:
            return  # to the one before it, of the same id
        wanted = ACCEPT if asked[0] == ACCESS_REQUEST else ACCOUNTING_RESPONSE
        if answer[0] != wanted:
            raise RuntimeError(f"request {number} is answered with {answer[0]}, not {wanted}")
        del self._under_way[answer[1]], self._sent[number]


def _body(attributes: Attributes) -> bytes:
    return b"".join(bytes((kind, len(value) + 2)) + value for kind, value in attributes)


def _md5(octets: bytes) -> bytes:
    return hashlib.md5(octets, usedforsecurity=False).digest()
