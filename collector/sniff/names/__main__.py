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
from collector.sniff.follow import Pace, follow
from collector.sniff.listen import Wire
from collector.sniff.names.ear import Ear
from collector.sniff.names.filter import LONGEST, program
from collector.sniff.pace import Stop

PACE = Pace(per_s=5000, at_once=20_000, flush_ns=2 * 10**8)
"""A flood may take a quarter of a CPU; names go ahead of their flows, where they can."""
_log = logging.getLogger("names")


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
            follow(wire, ear, door=door, stop=stop, pace=PACE, clock=time.time_ns)
    except PermissionError:
        sys.exit("names: no right to listen; it needs CAP_NET_RAW")
    except OSError as error:
        sys.exit(f"names: {arguments.interface}: {error.strerror or error}")


if __name__ == "__main__":
    main()
