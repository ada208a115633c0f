"""How one process of the box asks another: a line of JSON each way over a unix socket.

A request is `{"do": "…", …}`, the reply `{"ok": true, …}` or `{"ok": false, "error": "…"}`. A
connection may carry several requests, one after the other. Who may connect is a matter of the
socket file's rights.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from collector.errors import Busy, CollectorError

MAX_REQUEST = 64 << 20
MAX_REPLY = 64 << 20
MAX_CLIENTS = 32
IDLE_S = 60.0
"""A client that sends nothing for so long is let go."""
_LONGEST_PATH = 107

Handler = Callable[[dict[str, Any]], dict[str, Any]]
"""Takes a request, returns the members of the reply; a CollectorError or ValueError is told."""


class ControlServer:
    """Answers requests on a socket file, a thread per connection."""

    def __init__(self, path: Path, handlers: Mapping[str, Handler]) -> None:
        self._path = path
        self._handlers = dict(handlers)
        self._places = threading.BoundedSemaphore(MAX_CLIENTS)
        self._clients: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._thread = threading.Thread(
            target=self._accept, name=f"control-{path.name}", daemon=True
        )
        self._socket: socket.socket | None = None
        self._workers: list[threading.Thread] = []

    def start(self) -> None:
        """Bind the socket file and answer from now on; a file left by a dead process is replaced.

        Raises:
            Busy: a living process answers there.
            CollectorError: the socket cannot be made.
        """
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            with _short(self._path) as name:
                _clear_stale(self._path, name)
                listener.bind(name)
            self._path.chmod(0o660)  # nobody can connect before listen
            listener.listen(MAX_CLIENTS)
        except OSError as error:
            listener.close()
            raise CollectorError(
                f"cannot make the socket {self._path}: {error.strerror or error}"
            ) from error
        except BaseException:
            listener.close()
            raise
        self._socket = listener
        self._thread.start()

    def stop(self) -> None:
        """Take the socket file away, let requests under way end, and close."""
        if self._socket is None:
            return
        self._closing.set()
        self._path.unlink(missing_ok=True)
        self._socket.shutdown(socket.SHUT_RDWR)
        self._take_no_more()
        self._thread.join()
        self._socket.close()
        self._take_no_more()  # from whoever came while the listener closed
        for worker in self._workers:
            worker.join(timeout=10)

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop."""
        self.stop()

    def _take_no_more(self) -> None:
        with self._lock:
            for client in self._clients:
                with contextlib.suppress(OSError):
                    client.shutdown(socket.SHUT_RD)  # a reply under way still goes out

    def _accept(self) -> None:
        if self._socket is None:
            return
        while not self._closing.is_set():
            try:
                client, _ = self._socket.accept()
            except OSError:
                if self._closing.is_set():
                    return
                self._closing.wait(0.1)  # out of descriptors: others will end
                continue
            self._places.acquire()  # past the limit, callers wait in the listen queue
            worker = threading.Thread(target=self._serve, args=(client,), daemon=True)
            with self._lock:
                self._clients.add(client)
                self._workers = [w for w in self._workers if w.is_alive()] + [worker]
            worker.start()

    def _serve(self, client: socket.socket) -> None:
        try:
            client.settimeout(IDLE_S)
            with client, client.makefile("rb") as lines:
                while line := lines.readline(MAX_REQUEST + 1):
                    client.sendall(_line(self._reply(line)))
                    if not line.endswith(b"\n"):
                        break
        except OSError:
            pass  # the caller went away or fell asleep
        finally:
            with self._lock:
                self._clients.discard(client)
            self._places.release()

    def _reply(self, line: bytes) -> dict[str, Any]:
        try:
            request = _parse(line)
            handler = self._handlers.get(str(request.get("do")))
            if handler is None:
                known = ", ".join(sorted(self._handlers))
                return _no(f"cannot do {str(request.get('do'))[:40]!r}; known: {known}")
            return {"ok": True, **handler(request)}
        except (CollectorError, ValueError) as error:
            return _no(" ".join(str(error).split()))
        except (KeyError, TypeError, AttributeError, RecursionError) as error:
            return _no(f"the request lacks something or has it wrong: {error!r}")


def ask(path: Path, request: Mapping[str, Any], *, timeout: float = 30.0) -> dict[str, Any]:
    """Send one request and return the reply, without its `ok`.

    Args:
        path: The socket file.
        request: Its `do` and the rest.
        timeout: Seconds to wait for the reply.

    Raises:
        CollectorError: nobody listens, no reply in time, or the reply is an error.
    """
    line, sent = b"", _line(request)
    if len(sent) > MAX_REQUEST:
        raise CollectorError(f"a request of {len(sent)} bytes; at most {MAX_REQUEST}")
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as caller:
            caller.settimeout(timeout)
            with _short(path) as name:
                caller.connect(name)
            caller.sendall(sent)
            with caller.makefile("rb") as lines:
                line = lines.readline(MAX_REPLY)
    except (FileNotFoundError, ConnectionRefusedError) as error:
        raise NobodyListens(f"nobody listens on {path}", hint="start the box: prathu up") from error
    except TimeoutError as error:
        raise CollectorError(f"no reply on {path} within {timeout:g} s") from error
    except OSError as error:
        raise CollectorError(f"cannot ask on {path}: {error.strerror or error}") from error
    if not line:
        raise CollectorError(f"no reply on {path}: the process ended", hint="see its log")
    reply = _parse(line)
    if not reply.pop("ok", False):
        raise CollectorError(str(reply.get("error", f"an empty refusal on {path}")))
    return reply


class NobodyListens(CollectorError):
    """The process that would answer does not run."""


def _parse(line: bytes) -> dict[str, Any]:
    if not line.endswith(b"\n"):
        raise CollectorError(f"a message cut short, or longer than {MAX_REQUEST >> 20} MiB")
    try:
        message = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise CollectorError(f"not a line of JSON: {error}") from error
    if not isinstance(message, dict):
        raise CollectorError("not a JSON object")
    return message


def _line(message: Mapping[str, Any]) -> bytes:
    return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _no(error: str) -> dict[str, Any]:
    return {"ok": False, "error": error}


def _clear_stale(path: Path, name: str) -> None:
    """Unlink a socket file that nobody answers on; any other file is left to fail the bind."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(5)
        try:
            probe.connect(name)
        except FileNotFoundError:
            return
        except ConnectionRefusedError:
            if path.is_socket():
                path.unlink()
            return
    raise Busy(f"a process answers on {path} already", hint="stop it first, or ask it")


@contextlib.contextmanager
def _short(path: Path) -> Iterator[str]:
    """Give a name for a socket file that fits in an address: at most 107 bytes.

    A longer path goes through the folder's descriptor.
    """
    if len(os.fsencode(path)) <= _LONGEST_PATH:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
