"""A gate that behaves as the kernel does: passes with timeouts, counters, and nothing else."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from datetime import datetime

from captive_portal.errors import GateError
from captive_portal.sessions.passes import Pass, Passed


class FakeGate:
    """Keeps passes by serial; a device's packets pass if both MAC and address match."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self.passes: dict[int, Pass] = {}
        self.counts: dict[int, int] = {}
        self.fails = ""
        """`before`: nothing is done; `after`: it is done, and an error is told all the same."""
        self.applied: list[tuple[int, int]] = []
        self.asked: list[list[int] | None] = []
        """Whose counts were asked for; None: everybody's."""
        self._now = now

    def reboot(self) -> None:
        """Lose everything, as the kernel does at a power cut."""
        self.passes, self.counts = {}, {}

    def send(self, mac: str, address: str, size: int) -> bool:
        """Send one packet each way; say whether it passed."""
        for serial, one in self.passes.items():
            lives = one.until is None or one.until > self._now()
            if lives and one.mac == mac and address in one.addresses:
                self.counts[serial] = self.counts.get(serial, 0) + size
                return True
        return False

    async def apply(self, let_in: Sequence[Pass], shut_out: Sequence[Pass]) -> None:
        self._fail("before")
        self.applied.append((len(let_in), len(shut_out)))
        for one in shut_out:
            self.passes.pop(one.serial, None)
        for one in let_in:
            self.passes[one.serial] = one
            self.counts.setdefault(one.serial, 0)
        self._fail("after")

    async def restore(self, passes: Sequence[Pass]) -> None:
        self._fail("before")
        self.passes = {one.serial: one for one in passes}
        for one in passes:
            self.counts.setdefault(one.serial, 0)

    async def reconcile(self, read: Callable[[], Awaitable[Sequence[Pass]]]) -> None:
        await self.restore(await read())

    async def counted(self, serials: Collection[int] | None = None) -> Mapping[int, Passed]:
        self._fail("before")
        self.asked.append(None if serials is None else sorted(serials))
        return {
            serial: Passed(bytes_in=n, bytes_out=2 * n, packets_in=n // 100, packets_out=n // 50)
            for serial, n in self.counts.items()
            if serials is None or serial in serials
        }

    def _fail(self, when: str) -> None:
        if self.fails == when:
            raise GateError("no answer")
