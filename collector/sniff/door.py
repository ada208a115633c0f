# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Hands records to the receiving process over its socket: a line of JSON each way.

Records wait, at most so many, while nobody listens; what is refused three times is given up. Both
are counted, and told once somebody listens again.
"""

from __future__ import annotations

import base64
import json
import os
import socket
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

MOST_WAITING = 10_000
AT_ONCE = 500
REPLY_S = 30.0
TRIES = 3
_LONGEST_REPLY = 1 << 20


class Door:
    """Records on their way to the socket at a path."""

    def __init__(self, path: Path, site: str) -> None:
        self._path = path
        self._site = site
        self._waiting: deque[dict[str, Any]] = deque()
        self._refused = 0
        self.lost = 0
        """Records given up, since last told."""

    def put(self, kind: str, event: Mapping[str, Any]) -> None:
        """Let a record wait; when too many do, the oldest is lost."""
        payload = base64.b64encode(json.dumps(event, ensure_ascii=False).encode()).decode()
        self._waiting.append({"kind": kind, "site": self._site, "payload": payload})
        if len(self._waiting) > MOST_WAITING:
            self._waiting.popleft()
            self.lost += 1

    def flush(self) -> str:
        """Send what waits; return what was wrong, empty for nothing."""
        while self._waiting:
            some = [self._waiting[at] for at in range(min(AT_ONCE, len(self._waiting)))]
            try:
                error = self._send(some)
            except OSError as failure:
                return f"nobody takes records on {self._path}: {failure.strerror or failure}"
            if error:
                return self._refusal(error, len(some))
            self._refused = 0
            for _ in some:
                self._waiting.popleft()
        return ""

    def _refusal(self, error: str, count: int) -> str:
        self._refused += 1
        if self._refused < TRIES:
            return f"records were refused: {error}"
        self._refused = 0
        for _ in range(count):
            self._waiting.popleft()
        self.lost += count
        return f"{count} records were refused {TRIES} times and given up: {error}"

    def _connect(self, caller: socket.socket) -> None:
        """Connect through the folder's descriptor: an address has room for 107 bytes only."""
        folder = os.open(self._path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            caller.connect(f"/proc/self/fd/{folder}/{self._path.name}")
        finally:
            os.close(folder)

    def _send(self, frames: list[dict[str, Any]]) -> str:
        """Return why the frames were refused, empty when they lie on the disk."""
        request = json.dumps({"do": "frames", "frames": frames}).encode() + b"\n"
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as caller:
            caller.settimeout(REPLY_S)
            self._connect(caller)
            caller.sendall(request)
            with caller.makefile("rb") as lines:
                line = lines.readline(_LONGEST_REPLY)
        try:
            reply = json.loads(line)
        except ValueError:
            return "the answer was cut short"
        return "" if reply.get("ok") is True else str(reply.get("error", "no reason told"))
