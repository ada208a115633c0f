"""The names under which devices found the addresses that they speak with.

A name holds for the device that was told it, from the answer on until another answer with the same
address, at most `HOLDS_US`: the log of a DNS server tells no TTL, and devices keep answers longer.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from collector.records import Rows

HOLDS_US = 3_600_000_000
EARLY_US = 2_000_000
"""A flow may seem to begin so long before the answer that led to it: clocks differ."""
MOST_PAIRS = 100_000
MOST_QUESTIONS = 4096
EACH = 4
"""So many names of one pair are remembered: flows come later than they began."""

Told = tuple[int, str, str, str]
"""When, in µs, the device, the name it asked for, and an address that it was told."""
Pair = tuple[str, str]
"""The device and the address that it was told."""
Answer = tuple[int, int, str, int]
"""When it was told first and last, in µs, the name, and the frame that told it first."""
_TEXT = pa.dictionary(pa.int32(), pa.string())
Numbers = npt.NDArray[np.int64]


class Hosts:
    """Answers of late, of one site."""

    def __init__(self) -> None:
        self._pairs: OrderedDict[Pair, list[Answer]] = OrderedDict()
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

    def learn(self, told: Told, frame: int) -> None:
        """Remember an answer; when there are many pairs, the one not heard of longest goes."""
        time_us, client, name, answer = told
        known = self._pairs.setdefault((client, answer), [])
        last = known[-1] if known else None
        if last is not None and last[2] == name and 0 <= time_us - last[1] <= HOLDS_US:
            known[-1] = (last[0], time_us, name, last[3])
        else:
            known.append((time_us, time_us, name, frame))
            known.sort()
            del known[:-EACH]
        self._pairs.move_to_end((client, answer))
        if len(self._pairs) > MOST_PAIRS:
            self._pairs.popitem(last=False)

    def named(self, rows: Rows) -> Rows:
        """Return flows with the name of the far end where it is known, and none was told before."""
        columns = rows.columns
        if not self._pairs or not len(rows) or not {"src_ip", "dst_ip", "time"} <= columns.keys():
            return rows
        when = np.asarray(columns["time"].cast(pa.int64()).fill_null(-1)), rows.frame
        words: dict[str, int] = {}
        forth = self._looked_up(columns["src_ip"], columns["dst_ip"], when, words)
        back = self._looked_up(columns["dst_ip"], columns["src_ip"], when, words)
        codes = np.where(forth >= 0, forth, back)
        if not words:
            return rows
        chosen: Any = pa.array(codes.astype(np.int32), mask=codes < 0)
        host: Any = pa.DictionaryArray.from_arrays(chosen, pa.array(list(words), pa.string()))
        if "host" in columns:
            told = columns["host"].cast(pa.string())
            host = pc.coalesce(told, host.cast(pa.string())).dictionary_encode().cast(_TEXT)
        return replace(rows, columns={**columns, "host": host})

    def _looked_up(
        self,
        near: Any,  # noqa: ANN401  # DictionaryArrays
        far: Any,  # noqa: ANN401
        when: tuple[Numbers, Numbers],
        words: dict[str, int],
    ) -> Numbers:
        """Return for each row the code of the name under which `near` found `far`, -1 for none."""
        time, frame = when
        devices, addresses = near.dictionary.to_pylist(), far.dictionary.to_pylist()
        found = np.full(len(time), -1)
        if not devices or not addresses:
            return found
        keys, place = np.unique(_codes(near) * len(addresses) + _codes(far), return_inverse=True)
        known = np.zeros((EACH, 4, len(keys)), np.int64)  # a name that never holds
        for at, key in enumerate(keys.tolist()):
            device, address = divmod(key, len(addresses))
            answers = self._pairs.get((devices[device], addresses[address]), ())
            for slot, (begun, heard, name, told) in enumerate(answers):
                code = words.setdefault(name, len(words))
                known[slot, :, at] = begun - EARLY_US, heard + HOLDS_US, code, told
        for slot in range(EACH):  # by time: a later answer takes over
            begin, end, code_of, told_by = known[slot][:, place]
            # What a later frame tells is not known yet, however frames were batched.
            found = np.where((time >= begin) & (time < end) & (frame >= told_by), code_of, found)
        both = np.asarray(near.is_valid()) & np.asarray(far.is_valid())
        return np.where(both, found, -1)

    def plain(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        pairs = [[*pair, [list(each) for each in known]] for pair, known in self._pairs.items()]
        return {"pairs": pairs, "asked": [list(each) for each in self._asked.items()]}

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
                (int(begun), int(heard), str(name), int(frame))
                for begun, heard, name, frame in known
            ]
        return hosts


def _codes(column: Any) -> Numbers:  # noqa: ANN401  # a DictionaryArray
    return np.asarray(column.indices.fill_null(0)).astype(np.int64)
