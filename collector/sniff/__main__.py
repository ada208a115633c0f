# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""`python -m collector.sniff`: watch one interface until told to stop.

Needs the right to listen (CAP_NET_RAW) and scapy, which comes with the extra `sniff`.
"""

from __future__ import annotations

import argparse
import ipaddress
import logging
import re
import sys
import time
from pathlib import Path

try:
    import scapy.config  # noqa: F401  # asked first, so that its absence is told in a line
except ImportError:
    sys.exit("sniff: scapy is not installed; install it with: pip install scapy")

from collector.sniff.door import Door
from collector.sniff.follow import Pace, follow
from collector.sniff.judge import Judge
from collector.sniff.listen import Wire, mac_of, program
from collector.sniff.pace import Stop

PACE = Pace(per_s=1000, at_once=5000, flush_ns=10**9)
"""A flood may take a sixth of a CPU."""
_log = logging.getLogger("sniff")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m collector.sniff", description=__doc__)
    parser.add_argument("--interface", required=True)
    parser.add_argument("--site", required=True)
    parser.add_argument("--socket", required=True, type=Path, help="of the receiving process")
    parser.add_argument("--dhcp-server", action="append", default=[], type=_address)
    parser.add_argument("--router", action="append", default=[], type=_router)
    parser.add_argument("--own", action="store_true", help="this machine is server and router")
    return parser.parse_args()


def _address(text: str) -> str:
    return str(ipaddress.ip_address(text))


def _router(text: str) -> str:
    mac = text.lower().replace("-", ":")
    return mac if re.fullmatch(r"([0-9a-f]{2}:){5}[0-9a-f]{2}", mac) else _address(text)


def main() -> None:
    """Run until SIGTERM or SIGINT, or until the process that started it is gone."""
    arguments = _arguments()
    logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s")
    stop = Stop()
    try:
        own = {mac_of(arguments.interface)} if arguments.own else set()
        judge = Judge(
            arguments.site,
            arguments.interface,
            servers=frozenset(arguments.dhcp_server) | own,
            routers=frozenset(arguments.router) | own,
        )
        with Wire(arguments.interface, program()) as wire:
            _log.info("watching %s", arguments.interface)
            door = Door(arguments.socket, arguments.site)
            door.put(*judge.started(time.time_ns()))
            follow(wire, judge, door=door, stop=stop, pace=PACE, clock=time.time_ns)
    except PermissionError:
        sys.exit("sniff: no right to listen; it needs CAP_NET_RAW")
    except OSError as error:
        sys.exit(f"sniff: {arguments.interface}: {error.strerror or error}")


if __name__ == "__main__":
    main()
