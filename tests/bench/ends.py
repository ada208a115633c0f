"""From the end of a session to the last packet that the box forwards of it.

A whole box, a phone with four connections, TCP and UDP over IPv4 and IPv6, each of which carries
something both ways all the time. A kick ends when it is asked for, a time at the session's last
moment, a quota when the interface of the phone has carried as many bytes.

Run: python -m tests.bench.ends
"""

from __future__ import annotations

import contextlib
import json
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from captive_portal.database import open_database
from captive_portal.sessions.rows import Rows
from collector import control
from tests.integration import inside
from tests.integration.box import Box
from tests.integration.gate_school import WEB, WEB6
from tests.integration.machine import Machine, wait_for
from tests.integration.whole_school import WholeSchool

PORT = 6001
EVERY_S = 0.005
QUOTA_MB = 60
CHUNK = bytes(1000)
QUIET_S = 3.0
"""When nothing has come for so long, nothing comes any more."""
GROUP = "ends"


def run(folder: Path) -> dict[str, Any]:
    """Measure in namespaces, with a whole box; needs root."""
    folder.mkdir(parents=True, exist_ok=True)
    with Machine(folder) as machine:
        school = WholeSchool(machine, Box(machine, folder / "home"))
        try:
            school.open()
            wait_for("an IPv6 address", lambda: school.address6("phone"), seconds=90)
            figures: dict[str, Any] = {}
            for cause, end in (("kick", _kick), ("time", _time), ("quota", _quota)):
                # Each has a day's quota of its own.
                school.person(cause, GROUP)
                each = _last_packets(school, cause, end)
                figures[f"{cause}_s"] = max(each.values())
                figures[f"{cause}_each_s"] = each
            school.box.down()
            return figures
        finally:
            school.close()


def _kick(school: WholeSchool, _begun: int) -> float:
    """End the session at once; return when, by the clock of `time.time`."""
    [session] = school.live("kick")
    time.sleep(1)
    began = time.time()
    control.ask(
        school.box.home / "run" / "portal.sock", {"do": "kick", "session": session["session"]}
    )
    return began


def _time(school: WholeSchool, _begun: int) -> float:
    """Return when the session's last moment was."""
    engine = open_database(school.box.home)
    [session] = Rows(engine).open()
    engine.dispose()
    assert session.expires is not None
    ends = session.expires.timestamp()
    time.sleep(max(0.0, ends - time.time()))
    return ends


def _quota(school: WholeSchool, begun: int) -> float:
    """Return when the phone's interface had carried the quota."""
    space, wire = school.spaces["phone"], CHUNK * 60
    with inside.dial(space, WEB, 5000) as echo, contextlib.suppress(OSError):
        echo.settimeout(QUIET_S)
        reached = 0.0
        while True:
            if not reached and _carried(school) - begun >= QUOTA_MB * 1_000_000:
                reached = time.time()
            echo.sendall(wire)
            got = 0
            while got < len(wire):
                got += len(echo.recv(1 << 18))
    return reached


def _carried(school: WholeSchool) -> int:
    folder = "/sys/class/net/to-phone/statistics/"
    told = school.run("gate", ["cat", f"{folder}tx_bytes", f"{folder}rx_bytes"])
    return sum(int(word) for word in told.split())


End = Callable[[WholeSchool, int], float]
"""Brings a session to its end; takes what its phone had carried when it began; returns when."""
LIMITS: Mapping[End, Mapping[str, object]] = {
    _kick: {},
    _time: {"session_minutes": 1},
    _quota: {"session_minutes": 60, "quota_day_mb": QUOTA_MB},
}


def _last_packets(school: WholeSchool, account: str, end: End) -> dict[str, float]:
    """Return the seconds from the end to the last packet of each connection and way."""
    school.group(GROUP, **LIMITS[end])
    school.sign_in("phone", account)
    begun = _carried(school)
    for web in (WEB, WEB6):
        school.await_out("phone", address=web)
    with contextlib.ExitStack() as stack:
        streams = [
            stack.enter_context(_stream(school, kind, web, f"{name} {family}"))
            for kind, name in ((socket.SOCK_STREAM, "TCP"), (socket.SOCK_DGRAM, "UDP"))
            for web, family in ((WEB, "IPv4"), (WEB6, "IPv6"))
        ]
        ended = end(school, begun)
        assert ended
        last = {way: at for stream in streams for way, at in stream.items()}
        while time.time() - max(last.values()) < QUIET_S:
            time.sleep(0.1)
            last = {way: at for stream in streams for way, at in stream.items()}
    return {way: round(max(0.0, at - ended), 3) for way, at in last.items()}


@contextlib.contextmanager
def _stream(
    school: WholeSchool, kind: socket.SocketKind, web: str, name: str
) -> Iterator[dict[str, float]]:
    """Keep both sides sending; give when each way brought something last."""
    last = {f"{name} up": 0.0, f"{name} down": 0.0}
    stop = threading.Event()
    with contextlib.ExitStack() as stack:
        far = stack.enter_context(inside.open_socket(school.spaces["internet"], kind, web))
        far.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        far.bind((web, PORT))
        if kind == socket.SOCK_STREAM:
            far.listen()
        phone = stack.enter_context(inside.open_socket(school.spaces["phone"], kind, web))
        phone.connect((web, PORT))
        phone.send(CHUNK)
        if kind == socket.SOCK_STREAM:
            far = stack.enter_context(far.accept()[0])
        else:
            far.connect(far.recvfrom(4096)[1])
        threads = [
            threading.Thread(target=work, args=(*who, stop), daemon=True)
            for work, who in (
                (_send, (phone,)),
                (_send, (far,)),
                (_listen, (far, last, f"{name} up")),
                (_listen, (phone, last, f"{name} down")),
            )
        ]
        for thread in threads:
            thread.start()
        wait_for(f"{name}, both ways", lambda: all(last.values()))
        try:
            yield last
        finally:
            stop.set()
            for thread in threads:
                thread.join()


def _send(wire: socket.socket, stop: threading.Event) -> None:
    while not stop.wait(EVERY_S):
        with contextlib.suppress(OSError):  # refused, or no more room on its way
            wire.send(CHUNK, socket.MSG_DONTWAIT)


def _listen(wire: socket.socket, last: dict[str, float], way: str, stop: threading.Event) -> None:
    wire.settimeout(0.2)
    while not stop.is_set():
        try:
            if wire.recv(1 << 16):
                last[way] = time.time()
            else:
                return
        except TimeoutError:
            continue
        except OSError:
            time.sleep(EVERY_S)  # told that it is refused


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        print(json.dumps(run(Path(place)), indent=1))
