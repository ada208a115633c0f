"""Carries questions outside and the answers back, for the process that seals.

That one alone knows the keys and may not speak to the Internet; this one may, and knows nothing: it
posts bytes to an address and hands on what comes back, whole.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import logging
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self

from typing_extensions import override

from collector.errors import CollectorError

LOOK_S = 5.0
"""Whoever seals is asked so often whether there is something to ask."""
MOST_BYTES = 1 << 20
AT_ONCE = 4
WHOLE = 3
"""Times `timeout_s`, which is for each single wait, that a whole answer may take."""
_ROUNDS = 200
"""Of questions that follow from answers, before a pause."""
_log = logging.getLogger(__name__)


class AskSealer(Protocol):
    """Asks the process that seals, or what stands in for it."""

    def __call__(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Return the reply; raises `CollectorError` when there is none."""


@dataclass(frozen=True, slots=True)
class Came:
    """What came of one question."""

    site: str
    whom: str
    told: str
    """`kept`, `again`, or what is wrong."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """An answer from elsewhere would be no answer: the address in the settings is to be mended."""

    @override
    def redirect_request(self, *_: Any) -> None:
        return None


class _Patience:
    """Ends a connection after a while: who answers byte by byte would keep all others waiting."""

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._timer = threading.Timer(limit_s, self._cut)
        self._timer.daemon = True
        self._sockets: list[socket.socket] = []
        self._over = False

    def __enter__(self) -> Self:
        """Begin to wait."""
        self._timer.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End; an answer that was cut is none.

        Raises:
            OSError: it took too long.
        """
        self._timer.cancel()
        for one in self._sockets:
            one.close()
        if self._over:
            raise OSError(f"no whole answer within {self._limit_s:g} s") from error

    def watch(self, line: socket.socket) -> None:
        """Cut this connection too; a duplicate stays good when TLS takes the socket over."""
        self._sockets.append(line.dup())

    def _cut(self) -> None:
        self._over = True
        for one in self._sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def opener(self) -> urllib.request.OpenerDirector:
        """Return what opens addresses over connections that are watched."""
        patience = self

        class Watched(http.client.HTTPConnection):
            @override
            def connect(self) -> None:
                super().connect()
                patience.watch(self.sock)

        class WatchedTls(http.client.HTTPSConnection, Watched):
            """TLS begins on a connection that is watched."""

        class Http(urllib.request.HTTPHandler):
            @override
            def http_open(self, req: urllib.request.Request) -> Any:
                return self.do_open(Watched, req)

        class Https(urllib.request.HTTPSHandler):
            @override
            def https_open(self, req: urllib.request.Request) -> Any:
                return self.do_open(WatchedTls, req)

        return urllib.request.build_opener(_NoRedirect, Http, Https)


def post(url: str, kind: str, body: bytes, timeout_s: float) -> tuple[int, bytes]:
    """Post to an address over http or https; return status and body, also of a refusal.

    Raises:
        OSError: nobody answered, not with HTTP, or not in time.
    """
    with _Patience(WHOLE * timeout_s) as patience:
        return _post(patience.opener(), url, kind, body, timeout_s)


def _post(
    opener: urllib.request.OpenerDirector, url: str, kind: str, body: bytes, timeout_s: float
) -> tuple[int, bytes]:
    headers = {"Content-Type": kind, "User-Agent": "prathu"}
    try:
        # The settings let http and https through, and nothing else.
        request = urllib.request.Request(url, body, headers, method="POST")  # noqa: S310
        with opener.open(request, timeout=timeout_s) as answer:
            return answer.status, _bounded(answer.read(MOST_BYTES + 1))
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code, _bounded(refusal.read(MOST_BYTES + 1))
    except http.client.HTTPException as error:
        raise OSError(f"no answer of HTTP: {error!r}") from error
    except ValueError as error:
        raise OSError(f"cannot be asked: {error}") from error


def _bounded(body: bytes) -> bytes:
    if len(body) > MOST_BYTES:
        raise OSError(f"an answer of more than {MOST_BYTES} bytes")
    return body


def carry(ask: AskSealer, question: Mapping[str, Any]) -> Came:
    """Ask one question outside and hand the answer in.

    Raises:
        CollectorError: whoever seals does not take it.
    """
    reply: dict[str, Any] = {"do": "outside-answer", "id": question["id"]}
    try:
        status, body = post(
            question["url"],
            question["type"],
            base64.b64decode(question["body"]),
            question["timeout_s"],
        )
        reply |= {"status": status, "body": base64.b64encode(body).decode()}
    except OSError as error:
        reason = getattr(error, "reason", error)
        reply["error"] = f"{question['url']} does not answer: {reason}"
    return Came(question["site"], question["whom"], str(ask(reply)["told"]))


def carry_all(
    ask: AskSealer, stop: Callable[[], bool], came: Callable[[Came], None] = lambda _: None
) -> None:
    """Carry until nothing is to be asked now.

    Raises:
        CollectorError: whoever seals does not answer.
    """
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="outside") as pool:
        for _ in range(_ROUNDS):
            questions = ask({"do": "outside-due"})["questions"]
            if not questions or stop():
                return
            for each in pool.map(lambda question: carry(ask, question), questions):
                came(each)


class Errands:
    """A thread that carries while the box runs."""

    def __init__(self, ask: AskSealer) -> None:
        self._ask = ask
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="errands", daemon=True)
        self._silent = False

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Let what is under way end, for a while, and end."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=2.0)

    def _run(self) -> None:
        while not self._stop.wait(LOOK_S):
            try:
                carry_all(self._ask, self._stop.is_set)
                self._silent = False
            except CollectorError as error:
                if not self._silent:  # the sealer is not up yet, or ends: told once
                    _log.info("nothing is asked outside: %s", error)
                self._silent = True
