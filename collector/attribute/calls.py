"""By which name a device called a server when a connection began, joined to that very connection.

A hello and a flow are of one connection when addresses, ports and protocol are the same, and the
hello was sent while the flow went on, give or take `NEAR_US`. With ECH the name may be the outer
one only: it is what the wire says all the same, and the log `names` tells which hellos bore ECH.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from collector.records import Rows

NEAR_US = 5_000_000
"""Clocks differ, and some flows are told before they end."""
MOST_CALLS = 100_000
EACH = 64
"""Connections of one pair that are remembered."""
TCP, UDP = 6, 17

Numbers = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Pair = tuple[str, str]
"""The device and the address that it was told, or called."""
_REACH_BITS = 38
"""Of times among one another: three days in µs."""


class Call(NamedTuple):
    """A hello."""

    time_us: int
    client_port: int
    port: int
    protocol: int
    name: str
    frame: int
    """What told it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """Flows as one of their ends sees them."""

    pairs: list[Pair]
    place: Numbers
    """Of each row among the pairs."""
    there: Bools
    """Both addresses are known."""
    ends: Numbers
    """Both ports and the protocol in one number, -1 where one is not known."""
    begin: Numbers
    end: Numbers
    frame: Numbers

    @classmethod
    def of(cls, rows: Rows, near: str, far: str) -> Side:
        """Return flows with `near` as the device: `src` or `dst`.

        An answer that a NAT addressed to itself is for the device that it goes on to.
        """
        columns = rows.columns
        ends = ["nat_dst", "dst"] if near == "dst" else ["src"]
        devices, one = _texts([columns.get(f"{end}_ip") for end in ends], len(rows))
        addresses, other = _texts([columns[f"{far}_ip"]], len(rows))
        there, count = (one >= 0) & (other >= 0), max(1, len(addresses))
        keys, place = np.unique(np.where(there, one * count + other, -1), return_inverse=True)
        begin = _numbers(columns["time"], len(rows))
        near_port = _first([_numbers(columns.get(f"{end}_port"), len(rows)) for end in ends])
        far_port = _numbers(columns.get(f"{far}_port"), len(rows))
        protocol = _numbers(columns.get("protocol"), len(rows))
        return cls(
            pairs=[
                (devices[key // count], addresses[key % count]) if key >= 0 else _NONE
                for key in keys.tolist()
            ],
            place=place,
            there=there,
            ends=_ends(near_port, far_port, protocol),
            begin=begin,
            end=np.maximum(begin, _numbers(columns.get("time_end"), len(rows))),
            frame=np.asarray(rows.frame),
        )

    def __len__(self) -> int:
        """Return how many flows."""
        return len(self.begin)


_NONE: Pair = ("", "")


class Calls:
    """Hellos of late, of one site."""

    def __init__(self) -> None:
        self._pairs: OrderedDict[Pair, list[Call]] = OrderedDict()
        self._count = 0

    def __bool__(self) -> bool:
        return bool(self._pairs)

    def learn(self, pair: Pair, call: Call) -> None:
        """Remember a hello; when there are many, the pair not heard of longest goes."""
        known = self._pairs.setdefault(pair, [])
        known.append(call)
        self._count += 1
        if len(known) > EACH:
            del known[0]
            self._count -= 1
        self._pairs.move_to_end(pair)
        while self._count > MOST_CALLS:
            self._count -= len(self._pairs.popitem(last=False)[1])

    def looked_up(self, side: Side, words: dict[str, int]) -> Numbers:
        """Return for each row the code of the name that its connection began with, -1 for none.

        Args:
            side: The flows.
            words: Codes of names; new ones are added.
        """
        codes = np.full(len(side), -1)
        told = [
            (at, *_ints(call), words.setdefault(call.name, len(words)))
            for at, pair in enumerate(side.pairs)
            for call in self._pairs.get(pair, ())
        ]
        if not told:
            return codes
        each = np.array(told, np.int64)
        place, time, ends, frame, code = each[np.lexsort(each.T[[3, 1, 2, 0]])].T
        last = _last(side, place, ends, time)
        rows = np.flatnonzero(last >= 0)
        while len(rows):
            at = last[rows]
            same = (place[at] == side.place[rows]) & (ends[at] == side.ends[rows])
            rows = rows[same & (time[at] >= side.begin[rows] - NEAR_US)]
            at = last[rows]
            known = frame[at] <= side.frame[rows]
            codes[rows[known]] = code[at[known]]
            # What a later frame tells is not known yet: the hello before that one may be.
            rows = rows[~known]
            last[rows] -= 1
            rows = rows[last[rows] >= 0]
        return codes

    def plain(self) -> list[Any]:
        """Return everything as JSON values."""
        return [[*pair, [list(call) for call in calls]] for pair, calls in self._pairs.items()]

    @classmethod
    def from_plain(cls, state: Iterable[Any]) -> Calls:
        """Return what `plain` described.

        Raises:
            ValueError, TypeError: it is something else.
        """
        found = cls()
        for client, server, calls in state:
            for time_us, client_port, port, protocol, name, frame in calls:
                numbers = int(time_us), int(client_port), int(port), int(protocol)
                call = Call(*numbers, str(name), int(frame))
                found.learn((str(client), str(server)), call)
        return found


def _ints(call: Call) -> tuple[int, int, int]:
    return call.time_us, (call.client_port << 16 | call.port) << 8 | call.protocol, call.frame


def _ends(near_port: Numbers, far_port: Numbers, protocol: Numbers) -> Numbers:
    ends = (near_port << 16 | far_port) << 8 | protocol
    return np.where((near_port < 0) | (far_port < 0) | (protocol < 0), -1, ends)


def _last(side: Side, place: Numbers, ends: Numbers, time: Numbers) -> Numbers:
    """Return for each row the last hello of its connection up to its end, or -1 for none.

    The hellos are in the order of their connections and times; where a row's connection has none,
    what is returned may be of another.
    """
    wide = 1 << 40
    keys, rank = np.unique(place * wide + ends, return_inverse=True)
    wanted = side.place * wide + side.ends
    of = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    fits = (keys[of] == wanted) & (side.ends >= 0)
    least, reach = int(time.min()), (1 << _REACH_BITS) - 1
    times = (rank << _REACH_BITS) + np.clip(time - least, 0, reach)
    until = np.clip(side.end + NEAR_US - least, -1, reach)
    last = np.searchsorted(times, (of << _REACH_BITS) + until, side="right") - 1
    return np.where(fits & (until >= 0), last, -1)


def _texts(columns: list[Any], rows: int) -> tuple[list[str], Numbers]:
    """Return the texts of columns, and of each row the code in the first that has one, or -1."""
    texts: list[str] = []
    codes: list[Numbers] = []
    for column in columns:
        if column is None:
            continue
        found = np.asarray(column.indices.fill_null(-1)).astype(np.int64)
        codes.append(np.where(found < 0, -1, found + len(texts)))
        texts += column.dictionary.to_pylist()
    return texts, _first(codes) if codes else np.full(rows, -1)


def _first(columns: list[Numbers]) -> Numbers:
    """Return of each row the first number that is not -1."""
    found = columns[0]
    for column in columns[1:]:
        found = np.where(found < 0, column, found)
    return found


def _numbers(column: Any, rows: int) -> Numbers:  # noqa: ANN401  # an Arrow array, or None
    """Return numbers or times as integers, -1 for null."""
    if column is None:
        return np.full(rows, -1)
    return np.asarray(column.cast("int64").fill_null(-1)).astype(np.int64)
