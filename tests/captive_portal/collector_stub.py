"""A collector that takes events over its socket, or does not, as a test wishes."""

import base64
import contextlib
import json
import socket
import threading
from pathlib import Path
from typing import Any, Self

from collector.records import AuditEvent, CoverageEvent, SessionEvent


class CollectorStub:
    """Answers like `collector.receive.local`; `mode` is `ack`, `mute` or `refuse`."""

    def __init__(self, path: Path, mode: str = "ack") -> None:
        self.mode = mode
        self.sessions: list[SessionEvent] = []
        self.audits: list[AuditEvent] = []
        self.coverage: list[CoverageEvent] = []
        self._path = path
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._clients: list[socket.socket] = []

    def __enter__(self) -> Self:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.unlink(missing_ok=True)
        self._listener.bind(str(self._path))
        self._listener.listen(16)
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()
        self.drop()
        self._path.unlink(missing_ok=True)

    def drop(self) -> None:
        """Hang up on everybody, as a restarted collector does."""
        for client in self._clients:
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)
        self._clients.clear()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self._clients.append(client)
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        try:
            for line in client.makefile("rb"):
                self._take(json.loads(line))
                if self.mode == "ack":
                    client.sendall(b'{"ok":true,"position":1}\n')
                elif self.mode == "refuse":
                    client.sendall(b'{"ok":false,"error":"the disk is full"}\n')
        except OSError:
            return

    def _take(self, request: dict[str, Any]) -> None:
        if self.mode == "refuse":
            return
        if request["do"] == "event":
            self._keep(request["kind"], json.dumps(request["event"]))
        for frame in request.get("frames", ()):
            self._keep(frame["kind"], base64.b64decode(frame["payload"]))

    def _keep(self, kind: str, text: str | bytes) -> None:
        if kind == "session":
            self.sessions.append(SessionEvent.from_json(text))
        elif kind == "coverage":
            self.coverage.append(CoverageEvent.from_json(text))
        else:
            self.audits.append(AuditEvent.from_json(text))
