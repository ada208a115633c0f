"""The same lines of a FortiGate to rsyslog, which writes them to a file, and to a box, which seals.

Both get them over one TCP connection on loopback, as fast as they take them, from a process of its
own. Lines a second are counted from the first byte sent until the last row is sealed; CPU is that
of all threads of rsyslogd, and of the receiving and the sealing process of the box. The bytes of a
line are those of `events` with its sidecars; the flows that lines tell of are counted beside it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from collector.store.catalog import Catalog
from tests.bench import measure
from tests.bench.fortigate import FortiGate
from tests.conftest import REPO
from tests.integration.box import PORTS, Box, free_ports, loopback_settings
from tests.integration.machine import PATH, Machine, wait_for

SITE = "bench"
SEED = 2027
OURS = ("receive", "seal")
WAIT_S = 600.0
RSYSLOG = """
global(workDirectory="{folder}" maxMessageSize="64k")
module(load="imtcp" MaxSessions="10")
template(name="whole" type="string" string="%rawmsg%\\n")
input(type="imtcp" address="127.0.0.1" port="{port}")
action(type="omfile" file="{folder}/lines" template="whole")
"""


def run(folder: Path, count: int) -> dict[str, Any]:
    """Return the figures of one run of so many lines."""
    folder.mkdir(parents=True)
    path = folder / "sent"
    data = "".join(
        f"{line}\n" for line in FortiGate(SEED, begin_s=int(time.time()) - 60).lines(count)
    ).encode()
    path.write_bytes(data)
    packed = len(pa.Codec("zstd", compression_level=3).compress(data))
    found: dict[str, Any] = {
        "lines": count,
        "bytes_per_line": len(data) / count,
        "zstd_bytes_per_line": packed / count,
    }
    del data
    with Machine(folder) as machine:
        found["rsyslog"] = rsyslog(machine, folder / "rsyslog", path, count)
    with Machine(folder) as machine:
        found["box"] = box(machine, folder / "box", path, count)
    return found


def rsyslog(machine: Machine, folder: Path, path: Path, count: int) -> dict[str, Any]:
    """Let rsyslogd write the lines to a file."""
    folder.mkdir()
    port = free_ports("tcp")["tcp"]
    settings = folder / "rsyslog.conf"
    settings.write_text(RSYSLOG.format(folder=folder, port=port))
    command = ["rsyslogd", "-n", "-f", str(settings), "-i", str(folder / "pid")]
    process = machine.start(command, name="rsyslogd", env={"PATH": PATH})
    wait_for("rsyslogd", lambda: (folder / "pid").exists())
    time.sleep(0.5)
    before, began = measure.cpu_s(process.pid), time.monotonic()
    size = path.stat().st_size
    offer(port, path)
    lines = folder / "lines"
    wait_for("every line", lambda: lines.exists() and lines.stat().st_size >= size, seconds=WAIT_S)
    seconds = time.monotonic() - began
    cpu = measure.cpu_s(process.pid) - before
    written = lines.read_bytes().count(b"\n")
    return {
        "lost": count - written,
        "lines_per_s": written / seconds,
        "cpu_us_per_line": cpu / count * 1e6,
    }


def box(machine: Machine, folder: Path, path: Path, count: int) -> dict[str, Any]:
    """Let a box receive, read and seal the lines."""
    folder.mkdir()
    box = Box(machine, folder / "home")
    ports = free_ports(*PORTS)
    box.init(site=SITE, settings=loopback_settings(ports, part_s=2.0))
    box.up()
    before = {name: measure.cpu_s(box.pid(name)) for name in OURS}
    began = time.monotonic()
    sent_s = offer(ports["syslog"], path)
    wait_for("every line", lambda: rows(box.home, "events") >= count, seconds=WAIT_S)
    read_s = time.monotonic() - began
    box.prathu("seal", "--now")
    seconds = time.monotonic() - began
    cpu = {name: measure.cpu_s(box.pid(name)) - before[name] for name in OURS}
    box.down()
    sealed = {log: _sealed(box.home, log) for log in ("events", "flows")}
    return {
        "lost": count - sealed["events"]["rows"],
        "sent_s": sent_s,
        "searchable_s": read_s,
        "sealed_s": seconds,
        "lines_per_s": sealed["events"]["rows"] / seconds,
        "cpu_us_per_line": sum(cpu.values()) / count * 1e6,
        "cpu_us_per_line_by_process": {name: s / count * 1e6 for name, s in cpu.items()},
        "bytes_per_line": sealed["events"]["bytes"] / count,
        "flows": sealed["flows"]["rows"],
        "flow_bytes_per_line": sealed["flows"]["bytes"] / count,
        "bytes_per_line_by_column": sealed["events"]["columns"],
    }


def offer(port: int, path: Path) -> float:
    """Send the lines from a process of its own; return how many seconds that took."""
    command = [sys.executable, "-m", "tests.bench.send_lines", str(port), str(path)]
    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=True)
    answer: dict[str, float] = json.loads(done.stdout)
    return answer["seconds"]


def rows(home: Path, log: str) -> int:
    """Return how many rows of a log can be searched."""
    return sum(file.rows for file in Catalog.open(home / "catalog.sqlite").files(log))


def _sealed(home: Path, log: str) -> dict[str, Any]:
    """Return rows, bytes and bytes per row by column of the sealed segments of a log."""
    folder = home / "logs" / SITE / log
    found: dict[str, Any] = {"rows": 0, "bytes": 0, "columns": {}}
    columns: dict[str, int] = {}
    for path in sorted(folder.rglob("*.parquet")):
        metadata = pq.read_metadata(path)
        found["rows"] += metadata.num_rows
        for group in range(metadata.num_row_groups):
            row_group = metadata.row_group(group)
            for place in range(row_group.num_columns):
                chunk = row_group.column(place)
                name = chunk.path_in_schema
                columns[name] = columns.get(name, 0) + chunk.total_compressed_size
    for pattern in ("*.parquet", "*.groups"):
        found["bytes"] += measure.size_bytes(folder, pattern)
    total = max(found["rows"], 1)
    found["columns"] = {
        name: round(size / total, 3)
        for name, size in sorted(columns.items(), key=lambda item: -item[1])
        if size / total >= 0.01
    }
    return found


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory(prefix="prathu-bench-") as name:
        size = int(sys.argv[1]) if len(sys.argv) > 1 else 200_000
        print(json.dumps(run(Path(name) / "syslog", size), indent=1))
