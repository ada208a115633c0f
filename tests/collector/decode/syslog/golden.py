"""Sample lines of a format and the rows they give.

`python -m tests.collector.decode.syslog.golden fortigate` writes the rows of its lines
anew: look at what changed before you keep it.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from collector.decode.syslog import messages
from collector.decode.syslog.columns import ADDRESSES, COUNTERS, EVENT_NUMBERS, TEXTS
from collector.records import Frame, FrameKind, moment
from collector.store.schema import EVENTS, FLOWS

HERE = Path(__file__).resolve().parents[3] / "golden" / "syslog"
WIRE = datetime(2026, 1, 25, 3, 0, 0, tzinfo=UTC)
"""When the lines were received: two seconds after the time in them."""
COLUMNS = ("vendor", *TEXTS, "mac", *ADDRESSES, *EVENT_NUMBERS, "fields")
FLOW_COLUMNS = (
    *(
        "time",
        "time_end",
        *ADDRESSES,
        *EVENT_NUMBERS,
        "nat_key",
        "firewall_event",
        "src_mac",
        "app",
        "extra",
    ),
)


def frames(lines: list[str]) -> list[Frame]:
    """Return lines as they come from a sender."""
    wire_ns = int(WIRE.timestamp()) * 1_000_000_000
    return [
        Frame(
            kind=FrameKind.SYSLOG,
            site="school-a",
            received_ns=wire_ns,
            wire_ns=wire_ns,
            address="192.0.2.9",
            payload=line.encode(),
            number=number,
        )
        for number, line in enumerate(lines)
    ]


def rows(lines: list[str]) -> list[dict[str, Any]]:
    """Return what each line gives: its event, and its flow and sign-in if any."""
    told = messages.read(frames(lines))
    found = [{"event": _of(row, COLUMNS)} for row in EVENTS.table(told.events).to_pylist()]
    assert set(COUNTERS) < set(COLUMNS)
    if told.flows is not None:
        table = FLOWS.table(told.flows).to_pylist()
        for number, row in zip(told.flows.frame.tolist(), table, strict=True):
            found[number]["flow"] = _of(row, FLOW_COLUMNS)
    for hint in told.sign_ins:
        members = ("event", "account", "address", "mac", "duration_ms")
        found[hint.frame]["sign_in"] = {m: v for m in members if (v := getattr(hint, m))}
        assert moment(hint.time_us) is not None
    return found


def message(row: dict[str, Any]) -> str | None:
    """Return the message of a row of events: it is kept apart only where the line is not text."""
    raw: str | None = row["raw"]
    apart: str | None = row["message"]
    assert (raw is None) == (apart is not None)
    return apart if raw is None else raw.rstrip("\r\n\0")[row["message_at"] :]


def lines_of(name: str) -> list[str]:
    """Return the sample lines of a format."""
    return (HERE / f"{name}.log").read_text(encoding="utf-8").splitlines()


def golden_of(name: str) -> list[dict[str, Any]]:
    """Return the rows that they should give."""
    text = (HERE / f"{name}.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def _of(row: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    told = {name: row[name] for name in names if row.get(name) is not None}
    for name in ("fields", "extra"):
        if name in told:
            told[name] = json.loads(told[name])
    return {n: v.isoformat() if isinstance(v, datetime) else v for n, v in told.items()}


if __name__ == "__main__":
    for chosen in sys.argv[1:]:
        text = "".join(json.dumps(r, ensure_ascii=False) + "\n" for r in rows(lines_of(chosen)))
        (HERE / f"{chosen}.jsonl").write_text(text, encoding="utf-8")
