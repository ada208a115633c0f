"""A burst that the box cannot decode as it comes: the spool takes it, and it is sealed soon after.

    python -m tests.bench.burst [FLOWS_PER_SECOND SECONDS]

All datagrams are made before the first is sent: making them costs more than sending them.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.bench import live, peer
from tests.integration.box import PORTS, Box, free_ports, loopback_settings
from tests.integration.machine import Machine

RATE = 1_000_000
SECONDS = 5.0
QUIET_S = 20.0


def run(folder: Path, rate: int = RATE, seconds: float = SECONDS) -> dict[str, Any]:
    """Send a burst to a new box; return what was offered and lost, and how soon it was sealed."""
    folder.mkdir(parents=True)
    with Machine(folder) as machine:
        box = Box(machine, folder / "home")
        ports = free_ports(*PORTS)
        box.init(site=live.SITE, settings=loopback_settings(ports, part_s=2.0))
        box.up()
        live.sign_in_everybody(box, folder / "sessions.csv")
        watch = live.Watch(box, ports["flows"])
        watch.start()
        sent = peer.offer(ports["flows"], rate, seconds, ready_s=seconds)
        ended = time.monotonic()
        _settle(box.home, sent["flows"])
        searchable_s = time.monotonic() - ended
        box.prathu("seal", "--now")
        sealed_s = time.monotonic() - ended
        watch.done.set()
        watch.join()
        told = live.coverage(box)
        box.down()
        stored = live.rows(box.home)
    return {
        "offered": sent["flows"],
        "offered_per_s": sent["flows"] / sent["seconds"],
        "refused_by_kernel_at_sender": sent["refused"],
        "stored": stored,
        "lost": sent["flows"] - stored,
        "kernel_drops": watch.drops,
        "searchable_after_s": searchable_s,
        "sealed_after_s": sealed_s,
        "spool_peak_bytes": watch.spool_bytes,
        "pss_peak_bytes": watch.pss_bytes,
        "coverage": told,
    }


def _settle(home: Path, flows: int) -> None:
    """Wait until every flow can be searched, or nothing more comes: what was lost never does."""
    found, since = -1, time.monotonic()
    while found < flows and time.monotonic() - since < QUIET_S:
        if (now := live.rows(home)) != found:
            found, since = now, time.monotonic()
        time.sleep(live.SAMPLE_S)


def main() -> None:
    """Measure and print."""
    rate, seconds = [float(text) for text in sys.argv[1:]] or [RATE, SECONDS]
    with tempfile.TemporaryDirectory(prefix="prathu-burst-") as folder:
        print(json.dumps(run(Path(folder) / "burst", int(rate), seconds), indent=1))


if __name__ == "__main__":
    main()
