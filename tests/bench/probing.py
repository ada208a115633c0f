"""Captive phones that look for the Internet again and again, and in which nobody signs in.

Run where the phones are: python -m tests.bench.probing PHONES FIRST SECONDS
It prints a line of JSON when it is done.
"""

from __future__ import annotations

import asyncio
import json
import random
import socket
import struct
import sys
import time
from collections import Counter
from typing import Any

from tests.bench import crowd
from tests.integration.gate_school import BOX, WEB

EVERY_S = 5.0
"""Between two looks of one phone: its system's, and those of its apps."""
OPENS = 10
"""Of so many looks, one opens the window with the page; the others end at being led there."""
HOST = "captive.apple.com"
PATH = "/hotspot-detect.html"
DNS_S, ANSWER_S = 5.0, 10.0
SEED = 2570
LARGEST = 1 << 20
"""Bytes of an answer that are read."""


class Probing:
    """Phones that probe, all from one loop; what came of it, by kind."""

    def __init__(self, phones: int, first: int) -> None:
        self.came: Counter[str] = Counter()
        self.waited: list[float] = []
        """Seconds from asking for the name until being led to the page."""
        self._addresses = [crowd.address(n) for n in range(first, first + phones)]

    async def run(self, seconds: float) -> None:
        """Let all probe, each at its own moments, for so long."""
        end = time.monotonic() + seconds
        await asyncio.gather(*(self._phone(n, end) for n in range(len(self._addresses))))

    async def _phone(self, number: int, end: float) -> None:
        dice, address = random.Random(SEED + number), self._addresses[number]
        looks = dice.randrange(OPENS)
        await asyncio.sleep(dice.uniform(0, EVERY_S))
        while time.monotonic() < end:
            due = time.monotonic() + dice.uniform(0.5, 1.5) * EVERY_S
            looks += 1
            try:
                self.came[await self._look(address, opens=looks % OPENS == 0)] += 1
            except TimeoutError:
                self.came["late"] += 1
            except (OSError, ValueError, IndexError) as error:
                self.came[type(error).__name__] += 1
            await asyncio.sleep(max(0.0, min(due, end) - time.monotonic()))

    async def _look(self, address: str, *, opens: bool) -> str:
        """Look for the Internet once, as a phone does; return what came of it."""
        began = time.perf_counter()
        async with asyncio.timeout(DNS_S):
            await _resolve(address)
        async with asyncio.timeout(ANSWER_S):
            await _knock(address)  # an app that wants its server at once
            status = await _get(address, WEB, HOST, PATH)
            self.waited.append(time.perf_counter() - began)
            if status == 302 and opens:
                status = await _get(address, BOX, BOX, "/")
                return f"page {status}"
        return f"led {status}"


async def _resolve(address: str) -> None:
    """Ask the box for the name that is probed; raises OSError where it is refused."""
    question = struct.pack("!HHHHHH", random.getrandbits(16), 0x100, 1, 0, 0, 0)
    for label in HOST.split("."):
        question += bytes([len(label)]) + label.encode()
    question += b"\0\0\1\0\1"
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
        wire.setblocking(False)
        wire.bind((address, 0))
        wire.connect((BOX, 53))
        await loop.sock_sendall(wire, question)
        answer = await loop.sock_recv(wire, 512)
    if struct.unpack("!H", answer[6:8])[0] == 0:
        raise ValueError("no address for the name")


async def _knock(address: str) -> None:
    """Try a server over TLS, which the gate resets."""
    try:
        _, writer = await asyncio.open_connection(WEB, 443, local_addr=(address, 0))
    except ConnectionRefusedError:
        return
    writer.close()
    raise OSError("a captive phone reached the Internet")


async def _get(address: str, to: str, host: str, path: str) -> int:
    """Ask for a page over a connection of its own; return the status."""
    reader, writer = await asyncio.open_connection(to, 80, local_addr=(address, 0))
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        line = await reader.readline()
        await reader.read(LARGEST)
        return int(line.split()[1])
    finally:
        writer.close()


def main() -> None:
    """Probe, and print what came of it."""
    phones, first, seconds = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    probing = Probing(phones, first)
    asyncio.run(probing.run(seconds))
    waited = sorted(probing.waited) or [0.0]
    told: dict[str, Any] = {
        "came": dict(probing.came),
        "led_p95_s": waited[int(len(waited) * 0.95)],
        "cpu_s": time.process_time(),
    }
    print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
