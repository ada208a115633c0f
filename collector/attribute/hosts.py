"""The names under which devices found the addresses that they speak with.

A name holds for the device that was told it, from the answer on until another answer with the same
address: as long as its TTL says, or `HOLDS_US`, since the log of a DNS server tells no TTL. A name
by which the device called the server when the very connection began (`calls.py`) is better.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from collector.attribute.calls import Calls, Numbers, Pair, Side
from collector.records import Rows

HOLDS_US = 3_600_000_000
LONGEST_US = 86_400_000_000
LATE_US = 5_000_000
"""A device may begin to speak so long after the end of the TTL."""
EARLY_US = 2_000_000
"""A flow may seem to begin so long before the answer that led to it: clocks differ."""
MOST_PAIRS = 100_000
MOST_OF_ONE = 6_000
"""Pairs of one device: whoever asks for very many names must not make others lose theirs."""
MOST_QUESTIONS = 4096
EACH = 4
"""So many names of one pair are remembered: flows come later than they began."""

Told = tuple[int, str, str, str]
"""When, in µs, the device, the name it asked for, and an address that it was told."""
Answer = tuple[int, int, str, int]
"""When it was told first, until when it holds, in µs, the name, and what frame told it first."""
_TEXT = pa.dictionary(pa.int32(), pa.string())


class Hosts:
    """Answers of late, of one site."""

    def __init__(self) -> None:
        self.calls = Calls()
        self.malformed = 0
        """Records of names that could not be read, for whoever reads them to count."""
        self._pairs: OrderedDict[Pair, list[Answer]] = OrderedDict()
        self._of: dict[str, OrderedDict[Pair, None]] = {}
        """The same pairs by device."""
        self._asked: OrderedDict[str, str] = OrderedDict()
        """By question, the name whose aliases its answer tells of."""

    def asked(self, query: str, name: str, *, alias: bool) -> str:
        """Return the name that a question was about, when an answer to it bears `name`.

        Args:
            query: What tells the question from others.
            name: Of the answer: the one asked for, or one that an alias led to.
            alias: The answer says that `name` is an alias.
        """
        if not alias:
            return self._asked.get(query, name)
        found = self._asked.setdefault(query, name)
        if len(self._asked) > MOST_QUESTIONS:
            self._asked.popitem(last=False)
        return found

    def learn(self, told: Told, frame: int, *, ttl: int | None = None) -> None:
        """Remember an answer; when there are many pairs, the one not heard of longest goes.

        Args:
            told: The answer.
            frame: What told it.
            ttl: Seconds that it holds; None: not told.
        """
        time_us, client, name, answer = told
        holds_us = HOLDS_US if ttl is None else min(ttl * 1_000_000, LONGEST_US) + LATE_US
        until_us = time_us + holds_us
        known = self._pairs.setdefault((client, answer), [])
        last = known[-1] if known else None
        if last is not None and last[2] == name and last[0] <= time_us <= last[1]:
            known[-1] = (last[0], max(last[1], until_us), name, last[3])
        else:
            known.append((time_us, until_us, name, frame))
            known.sort()
            del known[:-EACH]
        self._newest((client, answer))

    def _newest(self, pair: Pair) -> None:
        """Note that a pair was heard of, and forget others where there are too many."""
        self._pairs.move_to_end(pair)
        own = self._of.setdefault(pair[0], OrderedDict())
        own[pair] = None
        own.move_to_end(pair)
        if len(own) > MOST_OF_ONE:
            self._forget(next(iter(own)))
        if len(self._pairs) > MOST_PAIRS:
            self._forget(next(iter(self._pairs)))

    def _forget(self, pair: Pair) -> None:
        del self._pairs[pair]
        own = self._of[pair[0]]
        del own[pair]
        if not own:
            del self._of[pair[0]]

    def named(self, rows: Rows) -> Rows:
        """Return flows with the name of the far end where it is known, and none was told before."""
        columns = rows.columns
        nothing = not self._pairs and not self.calls
        if nothing or not len(rows) or not {"src_ip", "dst_ip", "time"} <= columns.keys():
            return rows
        words: dict[str, int] = {}
        forth = self._looked_up(Side.of(rows, "src", "dst"), words)
        back = self._looked_up(Side.of(rows, "dst", "src"), words)
        codes = np.where(forth >= 0, forth, back)
        if not words:
            return rows
        chosen: Any = pa.array(codes.astype(np.int32), mask=codes < 0)
        host: Any = pa.DictionaryArray.from_arrays(chosen, pa.array(list(words), pa.string()))
        if "host" in columns:
            told = columns["host"].cast(pa.string())
            host = pc.coalesce(told, host.cast(pa.string())).dictionary_encode().cast(_TEXT)
        return replace(rows, columns={**columns, "host": host})

    def _looked_up(self, side: Side, words: dict[str, int]) -> Numbers:
        """Return for each row the code of the name under which `near` found `far`, -1 for none."""
        called = self.calls.looked_up(side, words)
        known = np.zeros((EACH, 4, len(side.pairs)), np.int64)  # a name that never holds
        for at, pair in enumerate(side.pairs):
            for slot, (begun, until, name, told) in enumerate(self._pairs.get(pair, ())):
                code = words.setdefault(name, len(words))
                known[slot, :, at] = begun - EARLY_US, until, code, told
        found = np.full(len(side), -1)
        for slot in range(EACH if side.pairs else 0):  # by time: a later answer takes over
            begin, end, code_of, told_by = known[slot][:, side.place]
            # What a later frame tells is not known yet, however frames were batched.
            holds = (side.begin >= begin) & (side.begin < end) & (side.frame >= told_by)
            found = np.where(holds, code_of, found)
        return np.where(side.there, np.where(called >= 0, called, found), -1)

    def plain(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        pairs = [[*pair, [list(each) for each in known]] for pair, known in self._pairs.items()]
        asked = [list(each) for each in self._asked.items()]
        return {"pairs": pairs, "asked": asked, "calls": self.calls.plain()}

    @classmethod
    def from_plain(cls, state: Mapping[str, Any]) -> Hosts:
        """Return what `plain` described.

        Raises:
            ValueError, TypeError: it is something else.
        """
        hosts, state = cls(), dict(state)
        hosts._asked.update({str(query): str(name) for query, name in state.get("asked", ())})
        for client, answer, known in state.get("pairs", ()):
            hosts._pairs[str(client), str(answer)] = [
                (int(begun), int(until), str(name), int(frame))
                for begun, until, name, frame in known
            ]
            hosts._newest((str(client), str(answer)))
        hosts.calls = Calls.from_plain(state.get("calls", ()))
        return hosts
