"""`make bench`: the figures the box must reach, each beside its peer in the same run.

    python -m tests.bench.bench [--out FILE] [--quick] [--only live,memory,decode,…]

Prints a table and writes all figures as JSON, with the commit and the machine they belong to.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from collector.decode.conntrack.decoder import ConntrackDecoder
from collector.decode.decoder import FlowDecoder
from collector.records import Frame, FrameKind
from tests.bench import (
    bench_attribute,
    bundle,
    burst,
    conntrack,
    ends,
    gate,
    live,
    names,
    one_segment,
    peer,
    portal,
    questions,
    radius,
    stages,
    syslog,
    verify,
    wire,
)
from tests.conftest import REPO

Figures = dict[str, Any]
QUICK = {
    "rate": 20_000,
    "seconds": 10.0,
    "day": 1_000_000,
    "stage_flows": 200_000,
    "lines": 100_000,
    "verify_rows": 400_000,
}
FULL = {
    "rate": 50_000,
    "seconds": 60.0,
    "day": 10_000_000,
    "stage_flows": 1_000_000,
    "lines": 600_000,
    "verify_rows": 4_000_000,
}
MEMORY_RATE = 20_000
PACKED_S = 20.0
"""Long enough to see how many bytes a flow takes; CPU is measured over as many flows as ours."""


def bench_live(folder: Path, size: Figures) -> Figures:
    """Offer flows to nfcapd, to nfcapd with LZ4, and to the box."""
    seconds = min(PACKED_S, size["seconds"])
    plain = peer.nfcapd(folder / "plain", size["rate"], size["seconds"], options=())
    packed = peer.nfcapd(folder / "packed", size["rate"], seconds, options=("-y",))
    ours = live.run(folder / "box", size["rate"], size["seconds"])
    return {"nfcapd": plain, "nfcapd_lz4": packed, "box": ours}


def bench_burst(folder: Path, size: Figures) -> Figures:
    """Offer more for some seconds than can be decoded, and see how soon it is sealed."""
    rate = burst.RATE if size is FULL else burst.RATE // 10
    return burst.run(folder, rate)


def bench_memory(folder: Path, size: Figures) -> Figures:
    """Watch the memory of all processes at the design load."""
    return live.run(folder / "memory", MEMORY_RATE, size["seconds"])


def bench_decode(folder: Path, size: Figures) -> Figures:
    """Decode alone, on one core, in batches as the spool gives them."""
    del folder
    flows = 2_000_000 if size is FULL else 500_000
    now = time.time_ns()
    frames = [
        Frame(
            kind=FrameKind.FLOW, site="bench", received_ns=now, wire_ns=now, address="127.0.0.1",
            port=40000, local_port=2055, payload=payload, number=n,
        )
        for n, payload in enumerate(wire.Flows(1).datagrams(flows, now // 10**9))
    ]  # fmt: skip
    decoder, began, rows = FlowDecoder("bench"), time.process_time(), 0
    for start in range(0, len(frames), 4000):
        decoded = decoder.decode(frames[start : start + 4000])
        rows += len(decoded.flows) if decoded.flows is not None else 0
    return {"rows": rows, "flows_per_s": rows / (time.process_time() - began)}


def bench_conntrack(folder: Path, size: Figures) -> Figures:
    """Decode alone, on one core, of what the kernel tells of its connections."""
    del folder
    frames = conntrack.frames(1_000_000 if size is FULL else 200_000)
    decoder, began, rows = ConntrackDecoder("bench"), time.process_time(), 0
    for start in range(0, len(frames), 400):
        decoded = decoder.decode(frames[start : start + 400])
        rows += len(decoded.flows) if decoded.flows is not None else 0
    return {"rows": rows, "messages_per_s": rows / (time.process_time() - began)}


def bench_names(folder: Path, size: Figures) -> Figures:
    """Read names off packets, on one core, and turn them into rows."""
    del folder
    return names.run(5000 if size is FULL else 500)


def bench_attribution(folder: Path, size: Figures) -> Figures:
    """Attribute parts of flows to 5,000 live sessions that change all the time."""
    del folder, size
    report = bench_attribute.run()
    return {rate: report[rate]["us_per_flow_median"] for rate in bench_attribute.RATES}


def bench_questions(folder: Path, size: Figures) -> Figures:
    """Ask about a day of flows."""
    return questions.run(folder / "questions", size["day"])


def bench_stages(folder: Path, size: Figures) -> Figures:
    """Return CPU per flow by stage."""
    del folder
    return stages.run(size["stage_flows"])


def bench_syslog(folder: Path, size: Figures) -> Figures:
    """Send a firewall's lines to rsyslog and to the box."""
    return syslog.run(folder / "syslog", size["lines"])


def bench_verify(folder: Path, size: Figures) -> Figures:
    """Verify every row of large segments on all cores, then a ledger of 90 days."""
    return verify.run(folder, size["verify_rows"])


def bench_bundle(folder: Path, size: Figures) -> Figures:
    """Pack and check the bundle of one person over many segments."""
    count, rows = (bundle.SEGMENTS, bundle.ROWS) if size is FULL else (20, 2000)
    return bundle.run(folder / "bundle", count, rows)


def bench_sealing(folder: Path, size: Figures) -> Figures:
    """Seal one large segment, and prove one person of it."""
    return one_segment.run(folder, one_segment.ROWS if size is FULL else 100_000)


def bench_gate(folder: Path, size: Figures) -> Figures:
    """Forward with 20,000 sessions and with one; load them, let some in. Needs root."""
    if os.geteuid() != 0:
        return {}
    sessions, rounds = (gate.SESSIONS, gate.ROUNDS) if size is FULL else (2000, 2)
    return gate.run(folder / "gate", sessions, rounds)


def bench_ends(folder: Path, _size: Figures) -> Figures:
    """End sessions in the middle of what they do. Needs root."""
    return ends.run(folder / "ends") if os.geteuid() == 0 else {}


def bench_radius(folder: Path, size: Figures) -> Figures:
    """Accounting, devices and passwords by RADIUS; FreeRADIUS beside it."""
    many = (radius.REQUESTS, radius.PASSWORDS) if size is FULL else (2000, 60)
    return radius.run(folder, *many)


def bench_portal(folder: Path, size: Figures) -> Figures:
    """A school's phones sign in within a minute."""
    return portal.run(folder, *((portal.PHONES, portal.SECONDS) if size is FULL else (200, 12.0)))


def bench_probed(folder: Path, size: Figures) -> Figures:
    """Some sign in while many captive phones probe. Needs root."""
    few = (portal.FEW, portal.FEW_SECONDS, portal.PROBING) if size is FULL else (40, 4.0, 300)
    return portal.among(folder, *few) if os.geteuid() == 0 else {}


PIECES: dict[str, Callable[[Path, Figures], Figures]] = {
    "decode": bench_decode,
    "conntrack": bench_conntrack,
    "names": bench_names,
    "attribution": bench_attribution,
    "stages": bench_stages,
    "questions": bench_questions,
    "sealing": bench_sealing,
    "verify": bench_verify,
    "memory": bench_memory,
    "syslog": bench_syslog,
    "bundle": bench_bundle,
    "gate": bench_gate,
    "ends": bench_ends,
    "radius": bench_radius,
    "portal": bench_portal,
    "probed": bench_probed,
    "burst": bench_burst,
    "live": bench_live,
}


SINGLE = (
    ("decode", "flows_per_s", 1e6, "decode alone", 2, "M flows/s", False),
    ("conntrack", "messages_per_s", 1e6, "decode alone, conntrack", 0.5, "M messages/s", False),
    ("names", "packets_per_s", 1e3, "packets read for names", 10, "k packets/s", False),
    ("sealing", "us_per_row", 1, "sealing a row, beyond Parquet, CPU", 3, "µs", True),
    ("sealing", "proof_bytes", 1, "proof of one person, beside the rows", 1000, "bytes", True),
    ("verify", "rows_per_s", 1e3, "verify --deep", 400, "k rows/s", False),
    ("verify", "ledger_s", 1, "verify, 90 days hourly of 7 logs", 10, "s", True),
    ("portal", "signed_in", 1, "phones of 1,000 that signed in", 1000, "", False),
    ("portal", "sign_in_p95_s", 1, "sign-in at eight, 95 of 100", 1.5, "s", True),
    ("portal", "sign_in_p99_s", 1, "sign-in at eight, 99 of 100", 3, "s", True),
    ("portal", "first_byte_ms", 1, "sign-in page, first byte", 100, "ms", True),
    ("portal", "page_at_1mbit_100ms_s", 1, "its page at 1 Mbit/s, 100 ms", 2, "s", True),
    ("probed", "signed_in", 1, "phones of 200 that signed in, 2,000 probing", 200, "", False),
    ("probed", "page_p95_s", 1, "page while 2,000 probe, 95 of 100", 1, "s", True),
    ("probed", "sign_in_p95_s", 1, "sign-in while 2,000 probe, 95 of 100", 10, "s", True),
    ("probed", "probes_lost", 1, "probes not led to the page", 0, "", True),
    ("memory", "pss_peak_bytes", 1e6, "memory of all processes", 900, "MB PSS", True),
    ("bundle", "packed_s", 1, "bundle of 100,000 rows, packed", 30, "s", True),
    ("bundle", "packed_cpu_s", 1, "bundle of 100,000 rows, packed, CPU", 30, "s", True),
    ("bundle", "checked_s", 1, "bundle of 100,000 rows, checked", 60, "s", True),
    ("gate", "ratio_of_best", 1, "forwarding, 20,000 sessions against 1", 0.9, "×", False),
    ("gate", "cpu_ratio", 1, "forwarding, the same by processor time", 0.9, "×", False),
    ("gate", "restored_s", 1, "20,000 sessions restored, database and all", 1, "s", True),
    ("gate", "restored_cpu_s", 1, "20,000 sessions restored, CPU of both", 1, "s", True),
    ("gate", "let_in_50_ms", 1, "50 let in at once", 250, "ms", True),
    ("gate", "kicked_ms", 1, "one ended, connections cut", 250, "ms", True),
    ("ends", "kick_s", 1, "kicked, to the last packet forwarded", 2, "s", True),
    ("ends", "time_s", 1, "time over, to the last packet forwarded", 2, "s", True),
    ("ends", "quota_s", 1, "quota used up, to the last packet forwarded", 2, "s", True),
    ("burst", "offered_per_s", 1e6, "burst, offered", 0.9, "M flows/s", False),
    ("burst", "lost", 1, "burst, lost", 0, "flows", True),
    ("burst", "sealed_after_s", 1, "burst, sealed after its end", 60, "s", True),
)
"""Pieces that are judged figure by figure: its name, by what it is divided, what it is called, what
is wanted in which unit, and whether that is the most."""


Told = tuple[str, str, str, bool]
"""What it is, what was reached, what is wanted, and whether it is."""


def rows(figures: Figures) -> list[Told]:
    """Return a row for each figure that was measured."""
    found: list[Told] = []
    row = partial(_row, found)
    for piece, judge in (("live", _live), ("syslog", _syslog), ("radius", _radius)):
        if measured := figures.get(piece):
            found += judge(measured)
    for piece, figure, by, what, wanted, unit, most in SINGLE:
        if measured := figures.get(piece):
            row(what, measured[figure] / by, wanted, most=most, unit=unit)
    for rate, figure in figures.get("attribution", {}).items():
        row(f"attribution at {rate}", figure, 0.3, most=True, unit="µs/flow")
    if asked := figures.get("questions"):
        for what in ("who", "one address inside", "one address outside"):
            row(f"{what}, middle", asked[what]["ms"], 150, most=True, unit="ms")
            faster = asked[what]["times_faster"]
            row(f"{what} against nfdump", faster, 10, most=False, unit="× faster")
    return found


def _live(both: Figures) -> list[Told]:
    found: list[Told] = []
    row = partial(_row, found)
    box, plain, packed = both["box"], both["nfcapd"], both["nfcapd_lz4"]
    row("flows lost", box["lost"], 0, most=True, unit="flows")
    row("datagrams dropped by the kernel", box["kernel_drops"], 0, most=True, unit="")
    row("searchable after receipt", box["searchable_s"], 5, most=True, unit="s")
    row("segment closed to published", box["sealed_s"], 30, most=True, unit="s")
    ratio = box["cpu_us_per_flow"] / plain["cpu_us_per_flow"]
    row("CPU per flow against nfcapd", ratio, 12, most=True, unit="×")
    ratio = box["bytes_per_flow"] / packed["bytes_per_flow"]
    row("bytes per flow against nfcapd -y", ratio, 0.6, most=True, unit="×")
    return found


def _syslog(sent: Figures) -> list[Told]:
    found: list[Told] = []
    row = partial(_row, found)
    box, peer_of_it = sent["box"], sent["rsyslog"]
    row("lines of syslog lost", box["lost"], 0, most=True, unit="lines")
    row("lines of syslog, sealed", box["lines_per_s"], 30_000, most=False, unit="lines/s")
    ratio = box["cpu_us_per_line"] / peer_of_it["cpu_us_per_line"]
    row("CPU per line against rsyslog", ratio, 8, most=True, unit="×")
    ratio = box["bytes_per_line"] / sent["zstd_bytes_per_line"]
    row("bytes per line against zstd -3", ratio, 1, most=True, unit="×")
    return found


def _radius(told: Figures) -> list[Told]:
    found: list[Told] = []
    row = partial(_row, found)
    row("RADIUS accounting, durable", told["accounting_per_s"], 3000, most=False, unit="/s")
    row("RADIUS accounting lost", told["accounting_lost"], 0, most=True, unit="")
    if beside := told.get("freeradius_accounting_per_s"):
        ratio = told["accounting_per_s"] / beside
        row("accounting against FreeRADIUS with SQL", ratio, 1, most=False, unit="×")
    row("RADIUS, devices by MAC", told["mac_per_s"], 3000, most=False, unit="/s")
    # Argon2 bounds it, as it should: nothing is wanted but that it is told.
    row("RADIUS, passwords (argon2)", told["pap_per_s"], 0, most=False, unit="/s")
    return found


def _row(
    found: list[Told], what: str, value: float, wanted: float, *, most: bool, unit: str
) -> None:
    sign = "≤" if most else "≥"
    good = value <= wanted if most else value >= wanted
    found.append((what, f"{value:,.3g} {unit}", f"{sign} {wanted:,.6g} {unit}", good))


def main(arguments: list[str] | None = None) -> int:
    """Measure, print and write; the status tells whether every figure is reached."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--quick", action="store_true", help="small sizes, to try the bench itself")
    parser.add_argument("--only", default=",".join(PIECES))
    options = parser.parse_args(arguments)
    size = QUICK if options.quick else FULL
    figures: Figures = {"commit": _commit(), "machine": _machine(), "quick": options.quick}
    with tempfile.TemporaryDirectory(prefix="prathu-bench-") as folder:
        for name in options.only.split(","):
            print(f"bench: {name} …", file=sys.stderr)
            figures[name] = PIECES[name](Path(folder) / name, size)
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return _show(figures)


def _show(figures: Figures) -> int:
    table = Table("what", "reached", "wanted", "")
    found = rows(figures)
    for what, reached, wanted, good in found:
        table.add_row(what, reached, wanted, "yes" if good else "NO")
    console = Console(width=100)
    console.print(table)
    if spent := figures.get("stages"):
        by_stage = Table("stage", "CPU µs per flow")
        for stage, micros in sorted(spent.items(), key=lambda item: -item[1]):
            by_stage.add_row(stage, f"{micros:.2f}")
        console.print(by_stage)
    return 0 if all(good for *_, good in found) else 1


def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty"]
    return subprocess.run(command, cwd=REPO, capture_output=True, text=True).stdout.strip()


def _machine() -> str:
    return f"{platform.machine()}, {os.cpu_count()} cores, Linux {platform.release()}"


if __name__ == "__main__":
    sys.exit(main())
