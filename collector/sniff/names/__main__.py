# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""`python -m collector.sniff.names`: read names of hosts on one interface until told to stop.

Needs the right to listen (CAP_NET_RAW), and that the receiving process takes names: it refuses them
where no reason is set.
"""

from __future__ import annotations

import argparse
import logging
import sys
import time
from pathlib import Path

from collector.sniff.door import Door
from collector.sniff.listen import Wire
from collector.sniff.names.ear import Ear
from collector.sniff.names.filter import LONGEST, program
from collector.sniff.pace import Bucket, Stop

FLUSH_NS = 2 * 10**8
"""Names go ahead of the flows that they belong to, where they can."""
COMPLAIN_NS = 60 * 10**9
PACKETS_PER_S, PACKETS_AT_ONCE = 5000, 20_000
"""A flood may take a quarter of a CPU; what is more the kernel drops, and counts."""
REST_S = 0.05
_log = logging.getLogger("names")


def listen(wire: Wire, ear: Ear, door: Door, stop: Stop) -> None:
    """Take packets, hand over the names in them, until stopped."""
    flushed = complained = 0
    pace = Bucket(PACKETS_PER_S, PACKETS_AT_ONCE)
    while not stop.asked:
        heard = wire.next()
        now = time.time_ns()
        if heard is not None:
            for kind, event in ear.take(heard.packet, heard.time_ns):
                door.put(kind, event)
            if not pace.take(now):
                time.sleep(REST_S)
        if abs(now - flushed) < FLUSH_NS:
            continue
        flushed = now
        complaint = _hand_over(wire, ear, door, now)
        if complaint and abs(now - complained) >= COMPLAIN_NS:
            complained = now
            _log.warning("%s", complaint)
    _hand_over(wire, ear, door, time.time_ns(), last=True)


def _hand_over(wire: Wire, ear: Ear, door: Door, now_ns: int, *, last: bool = False) -> str:
    ear.dropped += wire.dropped(last=last)
    ear.left_out, door.lost = ear.left_out + door.lost, 0
    for kind, event in ear.tally(now_ns, last=last):
        door.put(kind, event)
    return door.flush()


def main() -> None:
    """Run until SIGTERM or SIGINT, or until the process that started it is gone."""
    stop = Stop()
    parser = argparse.ArgumentParser(prog="python -m collector.sniff.names", description=__doc__)
    parser.add_argument("--interface", required=True)
    parser.add_argument("--site", required=True)
    parser.add_argument("--socket", required=True, type=Path, help="of the receiving process")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s")
    ear = Ear(arguments.site, arguments.interface)
    try:
        with Wire(arguments.interface, program(), cooked=True, longest=LONGEST) as wire:
            _log.info("reading names on %s", arguments.interface)
            door = Door(arguments.socket, arguments.site)
            door.put(*ear.started(time.time_ns()))
            listen(wire, ear, door, stop)
    except PermissionError:
        sys.exit("names: no right to listen; it needs CAP_NET_RAW")
    except OSError as error:
        sys.exit(f"names: {arguments.interface}: {error.strerror or error}")


if __name__ == "__main__":
    main()
