"""The receiving process alone, with conntrack and little else: python -m … HOME BUFFER.

It asks for the whole table every second if need be, so that a test need not wait.
"""

from __future__ import annotations

import logging
import signal
import sys
import time
from pathlib import Path

from collector.errors import CollectorError
from collector.receive import conntrack
from collector.receive.receiver import Receiver
from collector.settings import Conntrack
from tests.collector.receive.home import settings


def main(home: str, buffer: str) -> int:
    """Receive until told to stop."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    conntrack.ASK_EVERY_S = 1.0
    asked = settings(conntrack=Conntrack(enabled=True, receive_buffer=int(buffer)))
    receiver = Receiver(Path(home), asked, clock=time.time_ns)
    signal.signal(signal.SIGTERM, lambda *_: receiver._over.set())
    try:
        with receiver:
            receiver.wait()
    except CollectorError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
