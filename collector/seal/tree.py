"""RFC 6962 trees: roots, proofs and their checks.

A proof is made from anything that gives the root of a range of leaves, a list in memory or the
tiles of a ledger. A check never takes a size or a direction from the proof itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from collector.seal.fault import Refused
from collector.seal.hashing import BLOCK_ROWS, HASH_BYTES, Matrix, hash_rows

EMPTY = hashlib.sha256(b"").digest()

Subtree = Callable[[int, int], bytes]
"""Gives the root of the leaves [from, to)."""


def leaf_hash(data: bytes) -> bytes:
    """Return the hash of a leaf's data."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def root(hashes: Sequence[bytes]) -> bytes:
    """Return the root over leaf hashes."""
    level = list(hashes)
    if not level:
        return EMPTY
    while len(level) > 1:
        pairs = [node_hash(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
        level = pairs + level[len(level) & ~1 :]
    return level[0]


def subtree_of(hashes: Sequence[bytes]) -> Subtree:
    """Return the ranges of a list of leaf hashes."""
    return lambda start, stop: root(hashes[start:stop])


class Growing:
    """The root of a tree that grows leaf by leaf; keeps log n hashes."""

    def __init__(self) -> None:
        self.size = 0
        self._peaks: list[bytes] = []

    def add(self, leaf: bytes) -> None:
        """Take the next leaf hash."""
        node, size = leaf, self.size
        while size & 1:
            node = node_hash(self._peaks.pop(), node)
            size >>= 1
        self._peaks.append(node)
        self.size += 1

    def root(self) -> bytes:
        """Return the root of what was added so far."""
        if not self._peaks:
            return EMPTY
        node = self._peaks[-1]
        for peak in reversed(self._peaks[:-1]):
            node = node_hash(peak, node)
        return node


def group_roots(hashes: Matrix, counts: npt.NDArray[np.int64]) -> Matrix:
    """Return the roots of many trees whose leaf hashes lie one behind the other.

    Args:
        hashes: Leaf hashes, 32 bytes a row.
        counts: Leaves of each tree, none 0, summing to the rows of `hashes`.
    """
    while len(hashes) > len(counts):
        hashes, counts = _level_up(hashes, counts)
    return hashes


def _level_up(
    hashes: Matrix, counts: npt.NDArray[np.int64]
) -> tuple[Matrix, npt.NDArray[np.int64]]:
    """Join the leaves of every tree in pairs; a lone last one goes up as it is."""
    pairs, odd = counts // 2, counts % 2 == 1
    above = counts - pairs
    is_lone, stays = np.zeros(len(hashes), np.bool_), np.zeros(int(above.sum()), np.bool_)
    is_lone[np.cumsum(counts)[odd] - 1] = True
    stays[np.cumsum(above)[odd] - 1] = True
    nodes = np.empty((len(stays), HASH_BYTES), dtype=np.uint8)
    nodes[stays] = hashes[is_lone]
    places, lefts = np.flatnonzero(~stays), np.flatnonzero(~is_lone)[::2]
    block = np.ones((min(BLOCK_ROWS, len(lefts)), 1 + 2 * HASH_BYTES), dtype=np.uint8)
    for at in range(0, len(lefts), BLOCK_ROWS):
        left = lefts[at : at + BLOCK_ROWS]
        block[: len(left), 1 : 1 + HASH_BYTES] = hashes[left]
        block[: len(left), 1 + HASH_BYTES :] = hashes[left + 1]
        nodes[places[at : at + BLOCK_ROWS]] = hash_rows(block[: len(left)])
    return nodes, above


def split(size: int) -> int:
    """Return the largest power of two below `size`."""
    return 1 << (size - 1).bit_length() - 1


def inclusion_proof(index: int, size: int, subtree: Subtree) -> list[bytes]:
    """Return the RFC 6962 path of leaf `index` in a tree of `size`."""
    path = []
    start, stop = 0, size
    while stop - start > 1:
        middle = start + split(stop - start)
        if index < middle:
            path.append(subtree(middle, stop))
            stop = middle
        else:
            path.append(subtree(start, middle))
            start = middle
    return path[::-1]


def inclusion_root(leaf: bytes, index: int, size: int, proof: Sequence[bytes]) -> bytes:
    """Return the root that `proof` gives; the size must come from authenticated data.

    Raises:
        Refused: E-08, an index outside or a proof of another length.
    """
    if not 0 <= index < size:
        raise Refused("E-08", f"index {index} is not in a tree of {size}")
    if len(leaf) != HASH_BYTES or any(len(part) != HASH_BYTES for part in proof):
        raise Refused("E-08", "a hash of the inclusion proof is not 32 bytes")
    node, at, last, rest = leaf, index, size - 1, list(proof)[::-1]
    while last:
        if at & 1 or at < last:
            if not rest:
                raise Refused("E-08", "the inclusion proof is too short")
            part = rest.pop()
            node = node_hash(part, node) if at & 1 else node_hash(node, part)
        at, last = at >> 1, last >> 1
    if rest:
        raise Refused("E-08", "the inclusion proof is too long")
    return node


def check_inclusion(
    leaf: bytes, index: int, size: int, proof: Sequence[bytes], *, root: bytes
) -> None:
    """Refuse a leaf that the proof does not tie to `root`.

    Raises:
        Refused: E-08.
    """
    if inclusion_root(leaf, index, size, proof) != root:
        raise Refused("E-08", f"leaf {index} is not under the root of size {size}")


def consistency_proof(old: int, new: int, subtree: Subtree) -> list[bytes]:
    """Return the RFC 6962 proof that the tree of `old` leaves begins the tree of `new`."""
    path = []
    start, stop, whole = 0, new, True
    while old < stop:
        middle = start + split(stop - start)
        if old <= middle:
            path.append(subtree(middle, stop))
            stop = middle
        else:
            path.append(subtree(start, middle))
            start, whole = middle, False
    if not whole:
        path.append(subtree(start, stop))
    return path[::-1]


def check_consistency(
    old: int, new: int, proof: Sequence[bytes], *, old_root: bytes, new_root: bytes
) -> None:
    """Refuse two roots of which the first does not begin the second.

    Raises:
        Refused: E-09.
    """
    if not 0 < old <= new:
        raise Refused("E-09", f"no proof leads from size {old} to {new}")
    if any(len(part) != HASH_BYTES for part in proof):
        raise Refused("E-09", "a hash of the consistency proof is not 32 bytes")
    if old == new:
        if proof or old_root != new_root:
            raise Refused("E-09", f"two roots of size {old}, or a proof where none belongs")
        return
    rest = list(proof)[::-1]
    first, second = _roots_of(old, new, old_root, rest)
    if rest or first != old_root or second != new_root:
        raise Refused("E-09", f"size {old} does not begin size {new}")


def _roots_of(old: int, new: int, old_root: bytes, rest: list[bytes]) -> tuple[bytes, bytes]:
    """Rebuild both roots from a proof, taking its hashes from the end of `rest`."""

    def take() -> bytes:
        if not rest:
            raise Refused("E-09", "the consistency proof is too short")
        return rest.pop()

    at, last = old - 1, new - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    first = second = take() if at else old_root
    while last:
        if at & 1:
            part = take()
            first, second = node_hash(part, first), node_hash(part, second)
        elif at < last:
            second = node_hash(second, take())
        at, last = at >> 1, last >> 1
    return first, second


def partial_proof(size: int, indices: Sequence[int], subtree: Subtree) -> list[bytes]:
    """Return the hashes that `partial_root` needs beside the leaves at `indices`.

    Raises:
        Refused: E-10, indices not ascending or outside.
    """
    _check_indices(size, indices)
    return [subtree(start, stop) for start, stop, held in _walk(0, size, indices) if not held]


def partial_root(
    size: int, indices: Sequence[int], leaves: Sequence[bytes], proof: Sequence[bytes]
) -> bytes:
    """Return the root over some leaves and the hashes of all the rest.

    Args:
        size: Number of leaves, from authenticated data: the proof does not bind it.
        indices: Strictly ascending places of the leaves given.
        leaves: Their leaf hashes.
        proof: Hashes of the ranges without a given leaf, from left to right.

    Raises:
        Refused: E-10.
    """
    _check_indices(size, indices)
    if len(leaves) != len(indices):
        raise Refused("E-10", "not one leaf hash for each index")
    if any(len(part) != HASH_BYTES for part in (*leaves, *proof)):
        raise Refused("E-10", "a hash of the partial-tree proof is not 32 bytes")
    given, rest = iter(leaves), list(proof)[::-1]
    # A range is named by its end: the stack joins ranges as soon as both halves are there.
    nodes = {}
    for start, stop, held in _walk(0, size, indices):
        if held:
            nodes[start, stop] = next(given)
        elif rest:
            nodes[start, stop] = rest.pop()
        else:
            raise Refused("E-10", "the partial-tree proof lacks a hash")
    if rest:
        raise Refused("E-10", "the partial-tree proof has hashes left over")
    return _join(0, size, nodes)


def _check_indices(size: int, indices: Sequence[int]) -> None:
    if size < 0 or any(not 0 <= i < size for i in indices):
        raise Refused("E-10", f"an index is not in a tree of {size}")
    if any(a >= b for a, b in pairwise(indices)):
        raise Refused("E-10", "the indices do not ascend")


def _walk(start: int, stop: int, indices: Sequence[int]) -> Iterator[tuple[int, int, bool]]:
    """Give the ranges of a partial tree, left to right, and whether each is a given leaf."""
    stack = [(start, stop, 0, len(indices))]
    while stack:
        start, stop, low, high = stack.pop()
        if low == high or stop - start == 1:
            yield start, stop, low != high
            continue
        middle = start + split(stop - start)
        cut = low
        while cut < high and indices[cut] < middle:
            cut += 1
        stack.append((middle, stop, cut, high))
        stack.append((start, middle, low, cut))


def _join(start: int, stop: int, nodes: dict[tuple[int, int], bytes]) -> bytes:
    if (start, stop) in nodes:
        return nodes[start, stop]
    middle = start + split(stop - start)
    return node_hash(_join(start, middle, nodes), _join(middle, stop, nodes))
