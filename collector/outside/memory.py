"""What is remembered of everybody outside: who answered when, and what waits for them."""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, dataclass
from pathlib import Path

from collector import durable

_log = logging.getLogger(__name__)
STATE = Path("state") / "outside.json"
FIRST_WAIT_US, LONGEST_WAIT_US = 60_000_000, 3_600_000_000
MOST_WAITING = 1000
"""Checkpoints of a site that wait for an authority: two and a half years of days."""


@dataclass(slots=True)
class Line:
    """How it stands with one authority or witness for one site."""

    site: str
    name: str
    kind: str
    """`authority` or `witness`."""
    done_us: int = 0
    """When it last answered well."""
    size: int = 0
    """The checkpoint that it answered for then."""
    fault: str = ""
    fault_us: int = 0
    """Since when nothing good came."""
    alarm: str = ""
    """What is not only absence: it speaks against this box."""
    failures: int = 0
    again_us: int = 0
    """Not before this is it asked again."""

    def rests(self, now_us: int) -> bool:
        """Say whether it is not to be asked yet, whatever the clock did since."""
        return now_us < self.again_us <= now_us + LONGEST_WAIT_US

    def done(self, size: int, now_us: int) -> None:
        """Write down that it answered well."""
        if self.fault:
            _log.warning("%s: %s answers again", self.site, self.name)
        self.done_us, self.size, self.failures, self.again_us = now_us, size, 0, 0
        self.fault, self.alarm, self.fault_us = "", "", 0

    def fail(self, fault: str, now_us: int, *, alarm: bool = False) -> str:
        """Write down what went wrong, and let it rest, longer each time; return it."""
        if fault != self.fault:
            _log.error("%s: %s: %s", self.site, self.name, fault)
        self.fault, self.alarm = fault, fault if alarm else self.alarm
        self.fault_us = self.fault_us or now_us
        self.again_us = now_us + min(FIRST_WAIT_US << min(self.failures, 10), LONGEST_WAIT_US)
        self.failures += 1
        return fault


@dataclass(frozen=True, slots=True)
class Waiting:
    """A checkpoint that authorities are to stamp."""

    origin: str
    size: int
    chosen_us: int


class Memory:
    """The file in which all of it lies; without it some are asked earlier than they must be."""

    def __init__(self, home: Path) -> None:
        self._path = home / STATE
        self.lines: dict[tuple[str, str, str], Line] = {}
        self.chosen: dict[str, int] = {}
        """By site, when a checkpoint was last chosen for the authorities."""
        self.waiting: dict[str, list[Waiting]] = {}
        self.dropped = 0
        """Checkpoints that waited for so long that they were given up; newer ones wait."""
        self._read()
        self._written = self._record()

    def line(self, site: str, kind: str, name: str) -> Line:
        """Return how it stands with somebody."""
        return self.lines.setdefault((site, kind, name), Line(site, name, kind))

    def wait(self, site: str, origin: str, size: int, now_us: int) -> None:
        """Let a checkpoint wait for all authorities of the settings."""
        queue = self.waiting.setdefault(site, [])
        self.chosen[site] = now_us
        if (origin, size) not in [(one.origin, one.size) for one in queue]:
            queue.append(Waiting(origin, size, now_us))
        if len(queue) > MOST_WAITING:
            self.dropped += 1
            del queue[0]

    def write(self) -> None:
        """Put what changed on the disk."""
        record = self._record()
        if record != self._written:
            durable.make_dir(self._path.parent)
            durable.replace(self._path, record)
            self._written = record

    def _read(self) -> None:
        try:
            record = json.loads(durable.read_plain(self._path))
            lines = [Line(**line) for line in record["lines"]]
            self.lines = {(line.site, line.kind, line.name): line for line in lines}
            self.chosen = {str(site): int(us) for site, us in record["chosen"].items()}
            self.waiting = {
                str(site): [Waiting(**one) for one in queue]
                for site, queue in record["waiting"].items()
            }
            self.dropped = int(record["dropped"])
        except FileNotFoundError:
            pass
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            _log.warning("%s cannot be read, and is made anew: %r", self._path, error)

    def _record(self) -> bytes:
        record = {
            "lines": [asdict(line) for _, line in sorted(self.lines.items())],
            "chosen": self.chosen,
            "waiting": {s: [asdict(one) for one in queue] for s, queue in self.waiting.items()},
            "dropped": self.dropped,
        }
        return json.dumps(record, ensure_ascii=False, sort_keys=True).encode()
