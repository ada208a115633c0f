"""A headless Firefox, driven by the protocol that it speaks itself (Marionette)."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PREFERENCES = """
user_pref("marionette.port", 0);
user_pref("browser.shell.checkDefaultBrowser", false);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("app.update.enabled", false);
user_pref("network.captive-portal-service.enabled", false);
user_pref("network.connectivity-service.enabled", false);
"""
PATIENCE_S = 60.0


class Firefox:
    """One window."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
        self._file = self._socket.makefile("rb")
        self._number = 0
        self._read()  # it says hello first
        self("WebDriver:NewSession", capabilities={})

    def __call__(self, command: str, **words: Any) -> Any:
        """Run a command; return its value.

        Raises:
            RuntimeError: it failed.
        """
        self._number += 1
        told = json.dumps([0, self._number, command, words]).encode()
        self._socket.sendall(b"%d:%b" % (len(told), told))
        _, _, error, value = self._read()
        if error is not None:
            raise RuntimeError(f"{command}: {error['error']}: {error['message']}")
        return value.get("value", value) if isinstance(value, dict) else value

    def find(self, selector: str) -> str:
        """Return the id of an element."""
        found = self("WebDriver:FindElement", using="css selector", value=selector)
        return str(next(iter(found.values())))

    def type(self, selector: str, text: str) -> None:
        """Type into a field, or give a file to a chooser."""
        self("WebDriver:ElementSendKeys", id=self.find(selector), text=text)

    def text(self, selector: str) -> str:
        """Return the text that is seen."""
        return str(self("WebDriver:GetElementText", id=self.find(selector)))

    def close(self) -> None:
        """Let go of it."""
        self._socket.close()

    def _read(self) -> Any:
        length = b""
        while not length.endswith(b":"):
            byte = self._file.read(1)
            if not byte:
                raise RuntimeError("Firefox hung up")
            length += byte
        return json.loads(self._file.read(int(length[:-1])))


@contextmanager
def opened(profile: Path) -> Iterator[Firefox]:
    """Start one, and end it."""
    profile.mkdir()
    (profile / "user.js").write_text(PREFERENCES)
    words = ["firefox-esr", "--headless", "--no-remote", "--marionette", "--profile", str(profile)]
    with (profile / "log").open("wb") as log:
        process = subprocess.Popen(words, stdout=log, stderr=log, env=_environment(profile))
    try:
        window = Firefox(_port(profile, process))
        yield window
        window.close()
    finally:
        process.terminate()
        process.wait(30)


def _environment(profile: Path) -> dict[str, str]:
    return {"HOME": str(profile), "PATH": "/usr/bin:/bin", "MOZ_DISABLE_CONTENT_SANDBOX": "1"}


def _port(profile: Path, process: subprocess.Popen[bytes]) -> int:
    told = profile / "MarionetteActivePort"
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        if process.poll() is not None:
            raise RuntimeError((profile / "log").read_text(errors="replace")[-500:])
        if told.is_file() and (port := told.read_text().strip()):
            return int(port)
        time.sleep(0.1)
    raise RuntimeError("Firefox told no port")
