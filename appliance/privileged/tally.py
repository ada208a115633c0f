"""What sessions have counted, also in elements that the kernel no longer has.

An element that is deleted takes its counter along, and one that is put anew begins at 0. What it
had counted is added here before, so that the sum of a session only grows. A file keeps the sums of
open sessions for a helper that is started again.
"""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Iterable, Mapping
from pathlib import Path

from appliance.privileged.netlink import Counted
from captive_portal.gate.elements import SESSIONS, Key
from captive_portal.sessions.passes import Passed

LOG = logging.getLogger(__name__)
MOST_ENDED = 65_536
"""Ended sessions that are remembered with what they counted."""
NOTHING = (0, 0, 0, 0)
Sum = tuple[int, int, int, int]
"""Bytes in, bytes out, packets in, packets out."""


class Tally:
    """Sums of what is no longer in the kernel."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._sums: dict[int, Sum] = {}
        self._ended: dict[int, Sum] = {}
        self._last: dict[Key, Counted] = {}
        self._changed = False

    def load(self, serials: Iterable[int]) -> None:
        """Take back what an earlier process wrote about sessions that are still open."""
        with contextlib.suppress(OSError, ValueError, TypeError, AttributeError):
            said = json.loads(self._file.read_text(encoding="ascii"))
            known = set(serials)
            for serial, (a, b, c, d) in said.items():
                if int(serial) in known:
                    self._sums[int(serial)] = (int(a), int(b), int(c), int(d))

    def save(self) -> None:
        """Write the sums, whole or not at all, if they have changed."""
        if not self._changed:
            return
        beside = self._file.with_suffix(".new")
        try:
            beside.write_text(json.dumps(self._sums), encoding="ascii")
            beside.replace(self._file)
        except OSError as error:
            LOG.warning("cannot keep counts in %s: %s", self._file, error)
        self._changed = False

    def seen(self, counts: Mapping[Key, Counted]) -> None:
        """Note what the kernel has counted now."""
        self._last.update(counts)

    def gone(self, key: Key, serial: int, counted: Counted | None) -> None:
        """Add what an element had counted: it is no longer there, or begins anew.

        Args:
            key: Where it stood.
            serial: Whose it was.
            counted: The kernel's last word; None: what was seen last counts.
        """
        last = self._last.pop(key, None)
        count = counted or last
        if count is None or not count.packets:
            return
        sums = self._ended if serial in self._ended else self._sums
        sums[serial] = _added(sums.get(serial, NOTHING), key, count)
        self._changed = True

    def end(self, serials: Iterable[int]) -> None:
        """Note that sessions have ended; their sums are told for a while."""
        for serial in serials:
            self._ended[serial] = self._sums.pop(serial, self._ended.pop(serial, NOTHING))
            self._changed = True
        while len(self._ended) > MOST_ENDED:
            del self._ended[next(iter(self._ended))]

    def begin(self, serials: Iterable[int]) -> None:
        """Note that sessions are in: one that had ended goes on counting."""
        for serial in serials:
            if serial in self._ended:
                self._sums[serial] = self._ended.pop(serial)

    @property
    def ended(self) -> Mapping[int, Sum]:
        """What ended sessions had counted."""
        return self._ended

    def sums(
        self,
        serials: Iterable[int],
        counts: Mapping[Key, tuple[int, Counted]],
        lost: Iterable[tuple[Key, int]],
    ) -> dict[int, Passed]:
        """Return the sums of sessions, open or ended.

        Args:
            serials: Theirs.
            counts: Serial and count of each element that is there.
            lost: Key and serial of each that should be there, and has run out.
        """
        sums = {s: self._sums.get(s) or self._ended.get(s, NOTHING) for s in serials}
        for key, (serial, count) in counts.items():
            if serial in sums:
                sums[serial] = _added(sums[serial], key, count)
        for key, serial in lost:
            if key in self._last and serial in sums:
                sums[serial] = _added(sums[serial], key, self._last[key])
        return {
            serial: Passed(bytes_in=a, bytes_out=b, packets_in=c, packets_out=d)
            for serial, (a, b, c, d) in sums.items()
        }


def _added(before: Sum, key: Key, count: Counted) -> Sum:
    bytes_in, bytes_out, packets_in, packets_out = before
    if key.map in SESSIONS:
        return bytes_in + count.octets, bytes_out, packets_in + count.packets, packets_out
    return bytes_in, bytes_out + count.octets, packets_in, packets_out + count.packets
