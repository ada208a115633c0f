"""Makes the capture of conntrack anew: python -m tests.captures.make_conntrack. Needs root.

A gateway of namespaces masquerades what its client says (`tests/integration/gateway.py`), a box
there receives what the kernel tells, and the `conntrack` program lists the same connections. The
golden rows are what our decoder makes of it: look at each difference before committing a new one.
"""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from typing import Any

from collector.decode.conntrack.decoder import ConntrackDecoder
from collector.records import Frame, FrameKind
from tests.collector.decode import rows
from tests.collector.receive.home import frames
from tests.integration.box import Box
from tests.integration.gateway import INTERNET, INTERNET6, PORT, SETTINGS, Gateway
from tests.integration.machine import Machine, wait_for

HERE = Path(__file__).resolve().parent
CAPTURE = HERE / "conntrack.jsonl"
GOLDEN = HERE / "conntrack.golden.jsonl"
LISTED = HERE / "conntrack.listed.json"


def read() -> list[Frame]:
    """Return the frames of the capture."""
    lines = [json.loads(line) for line in CAPTURE.read_text(encoding="ascii").splitlines()]
    return [
        Frame(
            kind=FrameKind.CONNTRACK,
            site="school-a",
            received_ns=line["received_ns"],
            wire_ns=line["received_ns"],
            transport="local",
            payload=bytes.fromhex(line["payload"]),
            number=number,
        )
        for number, line in enumerate(lines)
    ]


def decoded() -> list[dict[str, Any]]:
    """Return the rows of the capture as JSON values."""
    told = rows.of(ConntrackDecoder("school-a").decode(read()))
    plain: list[dict[str, Any]] = json.loads(json.dumps(told, default=str))
    return plain


def record() -> None:
    """Let the client speak, and write down what the kernel and the `conntrack` program told."""
    with tempfile.TemporaryDirectory() as folder, Machine(Path(folder)) as machine:
        gateway = Gateway(machine)
        gateway.build()
        box = Box(machine, Path(folder) / "home", within=gateway.spaces["gateway"])
        box.init(settings=SETTINGS)
        box.start_alone("receive")
        for address in (INTERNET, INTERNET6):
            gateway.talk("tcp", address, PORT, 1000)
            gateway.talk("udp", address, PORT, 200)
            gateway.ping(address)
        listed = gateway.connections()
        gateway.end_all()
        wait_for("all ends", lambda: len(listed) == _ends(frames(box.home, FrameKind.CONNTRACK)))
        time.sleep(0.2)
        found = frames(box.home, FrameKind.CONNTRACK)
        box.stop_alone("receive")
    lines = [{"received_ns": f.received_ns, "payload": f.payload.hex()} for f in found]
    CAPTURE.write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="ascii")
    LISTED.write_text(json.dumps(listed, indent=1) + "\n", encoding="ascii")


def _ends(found: list[Frame]) -> int:
    decoder = ConntrackDecoder("school-a")
    decoder.decode(found)
    return decoder.counters.destroyed


if __name__ == "__main__":
    record()
    GOLDEN.write_text("".join(f"{json.dumps(row)}\n" for row in decoded()), encoding="ascii")
