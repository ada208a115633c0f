"""HTTP served from a thread of ours, until it is told to stop: the admin pages, the witness."""

from __future__ import annotations

import errno
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from typing_extensions import override

from appliance.errors import BoxError

STOP_S = 5.0
"""So long requests may take that run when it is told to stop."""


@contextmanager
def listening(host: str, port: int, what: str, setting: str) -> Iterator[socket.socket]:
    """Hold a port open.

    Args:
        host: An address without brackets.
        port: 0 takes any free one.
        what: Who wants to listen, for the error.
        setting: Where another port is set, for the error.

    Raises:
        BoxError: it cannot listen there.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError as error:
            why = "is taken" if error.errno == errno.EADDRINUSE else f"failed: {error.strerror}"
            raise BoxError(
                f"{what} cannot listen: {host} port {port} {why}",
                hint=f"stop what uses it, or set another: {setting} in prathu.toml",
            ) from error
        yield listener


def serve(  # what is served, where, and when it ends
    app: Any,  # noqa: ANN401  # an ASGI app, which has no type
    listener: socket.socket,
    stop: threading.Event,
    *,
    name: str,
    ready: Callable[[], None],
    **more: Any,  # noqa: ANN401  # words of uvicorn.Config
) -> None:
    """Serve `app` until `stop` is set.

    Args:
        app: What is served.
        listener: The port.
        stop: Set by whoever wants this to end.
        name: Of the thread, and of what ended in the error.
        ready: Called once it answers.
        more: Further words of `uvicorn.Config`.

    Raises:
        BoxError: it ended by itself.
    """
    # The audit log says where somebody sat: never what the sender claims.
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        **more,
    )
    server = _Server(config)
    thread = threading.Thread(target=server.run, args=([listener],), name=name)
    thread.start()
    while thread.is_alive() and not server.started:
        thread.join(0.02)
    if server.started:
        ready()
    while thread.is_alive() and not stop.wait(0.2):
        pass
    server.should_exit = True
    thread.join(STOP_S)
    server.force_exit = True
    thread.join()
    if not stop.is_set():
        raise BoxError(f"the {name} ended by itself", hint="see the lines above")


class _Server(uvicorn.Server):
    """uvicorn in a thread of ours: signals belong to whoever set `stop`."""

    @override
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone."""
        yield
