#!/usr/bin/env python3
"""Checks an evidence bundle `case-<id>.zip` of Prathu, offline, with Python 3.9 or newer alone.

    python3 verify_bundle.py case-7.zip --policy policy.txt

The policy (C2SP tlog-policy: which log keys, which witnesses) must come from elsewhere than the
bundle. Exit status: 0 valid, 1 invalid or not checkable, 2 wrong use. The rules and their numbers
(E-01 to E-25) stand in `docs/evidence-format.md`; this file was written from them alone and shares
no code with the box. Not checked here, and said so: RFC 3161 tokens and ML-DSA signatures.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import bisect
import hashlib
import io
import ipaddress
import json
import os
import re
import stat
import struct
import sys
import uuid
import zlib
from collections.abc import Callable, Iterator, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, TypeVar

Json = dict[str, Any]
Thing = TypeVar("Thing")


class Fault(Exception):
    """What is wrong: a number, a place, a sentence."""

    def __init__(self, number: str, place: str, words: str) -> None:
        super().__init__(f"{number} at {place}: {words}")
        self.number, self.place, self.words = number, place, words


def need(fits: object, number: str, place: str, words: str) -> None:
    """Fail where something does not fit."""
    if not fits:
        raise Fault(number, place, words)


def given(thing: Thing | None, number: str, place: str, words: str) -> Thing:
    """Return a thing that must be there."""
    if thing is None:
        raise Fault(number, place, words)
    return thing


def sha256(data: bytes) -> bytes:
    """Return H."""
    return hashlib.sha256(data).digest()


# ------------------------------------------------------------------ text: base64, JSON, numbers


def unbase64(text: object, number: str, place: str, size: int | None = None) -> bytes:
    """Decode standard base64 in its one canonical form."""
    try:
        data = base64.b64decode(str(text).encode("ascii"), validate=True)
    except (ValueError, binascii.Error):
        raise Fault(number, place, "base64 is wrong") from None
    need(isinstance(text, str), number, place, "base64 must be text")
    need(base64.b64encode(data).decode() == text, number, place, "base64 is not canonical")
    need(size is None or len(data) == size, number, place, f"{size} bytes are wanted")
    return data


def _members(pairs: list[tuple[str, Any]]) -> Json:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a member stands twice")
    return found


def _no_number(text: str) -> Any:
    raise ValueError(f"{text[:20]} is no integer of the format")


def _integer(text: str) -> int:
    if len(text) > 17 or text == "-0" or abs(int(text)) >= 1 << 53:
        raise ValueError("an integer beyond 2^53")
    return int(text)


def parse(data: bytes, number: str, place: str) -> Any:
    """Read JSON that must be spelt as RFC 8785 does."""
    try:
        value = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_members,
            parse_int=_integer,
            parse_float=_no_number,
            parse_constant=_no_number,
        )
        spelt = canonical(value)
    except (ValueError, RecursionError) as error:
        raise Fault(number, place, f"not such JSON: {str(error)[:80]}") from None
    need(spelt == data, number, place, "JSON is not spelt as RFC 8785 says")
    return value


MOST_NESTED = 32
"""Lists and objects that may lie in one another."""


def canonical(value: Any) -> bytes:
    """Spell a value as RFC 8785 does; there are no floats in the format."""
    return _spell(value).encode("utf-8")


_ESCAPES = {8: "\\b", 9: "\\t", 10: "\\n", 12: "\\f", 13: "\\r", 34: '\\"', 92: "\\\\"}
_ESCAPES.update({c: f"\\u{c:04x}" for c in range(32) if c not in _ESCAPES})


def _spell(value: Any, depth: int = 0) -> str:
    if value is None or value is True or value is False:
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return '"' + value.translate(_ESCAPES) + '"'
    if depth == MOST_NESTED:
        raise ValueError("lists and objects are nested too deep")
    if isinstance(value, list):
        return "[" + ",".join(_spell(item, depth + 1) for item in value) + "]"
    keys = sorted(value, key=lambda key: key.encode("utf-16-be", "surrogatepass"))
    return "{" + ",".join(f"{_spell(key)}:{_spell(value[key], depth + 1)}" for key in keys) + "}"


def exactly(value: Any, names: str, number: str, place: str) -> Json:
    """Return an object that has exactly the members named."""
    need(isinstance(value, dict), number, place, "not an object")
    odd = sorted(set(names.split()) ^ set(value))
    need(not odd, number, place, f"members unknown or missing: {', '.join(odd)[:80]!r}")
    return value  # type: ignore[no-any-return]


def whole(value: Any) -> bool:
    """Return whether a value is an integer."""
    return isinstance(value, int) and not isinstance(value, bool)


def natural(value: Any) -> bool:
    """Return whether a value is an integer from 0 on."""
    return whole(value) and value >= 0


def wide(value: Any, number: str, place: str) -> int:
    """Read an integer that may be too large for a JSON number: then it is decimal text."""
    if isinstance(value, str):
        need(re.fullmatch(r"-?[1-9][0-9]{15,18}", value), number, place, "not a decimal number")
        need(abs(int(value)) >= 1 << 53, number, place, "a number that JSON can write as such")
        return int(value)
    need(whole(value), number, place, "not an integer")
    return int(value)


def decimal(value: Any, place: str) -> int:
    """Read a time of a manifest's rows, which is decimal text whatever its size."""
    right = text(value, r"0|-?[1-9][0-9]{0,18}")
    need(right and abs(int(value)) < 1 << 63, "E-11", place, "not a time as decimal text")
    return int(value)


def text(value: Any, pattern: str) -> bool:
    """Return whether a value is text of a pattern."""
    return isinstance(value, str) and re.fullmatch(pattern, value) is not None


HASH = r"[0-9a-f]{64}"
ID = r"[A-Za-z0-9._-]{1,64}"
WORD = r"[a-z0-9][a-z0-9._/+-]{0,63}"
MOMENT = "-".join(["[0-9]{4}", *2 * ["[0-9]{2}"]]) + "T" + ":".join(3 * ["[0-9]{2}"]) + "Z"
LOG = r"[a-z][a-z0-9_]{0,31}"
SITE = r"(?!schema(?:/|$))[a-z0-9](?:(?:[a-z0-9-]|\.(?!\.))*[a-z0-9])?"
COLUMN = r"[a-z][a-z0-9_]{0,62}"
UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"


# ------------------------------------------------------------------ Ed25519 (RFC 8032)

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
_ROOT = pow(2, (P - 1) // 4, P)
Point = tuple[int, int, int, int]


def _add(a: Point, b: Point) -> Point:
    e = (a[1] - a[0]) * (b[1] - b[0]) % P
    f = (a[1] + a[0]) * (b[1] + b[0]) % P
    g = 2 * a[3] * b[3] * D % P
    h = 2 * a[2] * b[2] % P
    x, y, z, w = f - e, h - g, h + g, f + e
    return x * y % P, z * w % P, y * z % P, x * w % P


def _times(n: int, point: Point) -> Point:
    found: Point = (0, 1, 1, 0)
    while n:
        if n & 1:
            found = _add(found, point)
        point, n = _add(point, point), n >> 1
    return found


def _decode_point(data: bytes) -> Point | None:
    """Return the point that 32 bytes stand for, None where they are not canonical."""
    number = int.from_bytes(data, "little")
    y, sign = number & ((1 << 255) - 1), number >> 255
    if y >= P:
        return None
    u, v = (y * y - 1) % P, (D * y * y + 1) % P
    x = u * pow(v, 3, P) * pow(u * pow(v, 7, P), (P - 5) // 8, P) % P
    if v * x * x % P == -u % P:
        x = x * _ROOT % P
    if v * x * x % P != u or (x == 0 and sign):
        return None
    x = P - x if x & 1 != sign else x
    return x, y, 1, x * y % P


def _canonical(data: bytes) -> bool:
    """Return whether 32 bytes are the one encoding of a point, if they are one of a point."""
    number = int.from_bytes(data, "little")
    y, sign = number & ((1 << 255) - 1), number >> 255
    return y < P and not (sign and y in (1, P - 1))


def _encode_point(point: Point) -> bytes:
    inverse = pow(point[2], P - 2, P)
    x, y = point[0] * inverse % P, point[1] * inverse % P
    return (y | (x & 1) << 255).to_bytes(32, "little")


_BASE = _decode_point((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))


def ed25519(key: bytes, signature: bytes, message: bytes) -> str | None:
    """Return None where the signature is good, else E-07 for its form or E-05 for its value."""
    s = int.from_bytes(signature[32:], "little")
    if len(signature) != 64 or s >= L or not (_canonical(key) and _canonical(signature[:32])):
        return "E-07"
    a = _decode_point(key)
    if a is None or _BASE is None:
        return "E-05"
    if _encode_point(_times(8, a)) == _encode_point((0, 1, 1, 0)):
        return "E-07"
    k = int.from_bytes(hashlib.sha512(signature[:32] + key + message).digest(), "little") % L
    minus_a: Point = (-a[0] % P, a[1], a[2], -a[3] % P)
    found = _encode_point(_add(_times(s, _BASE), _times(k, minus_a)))
    return None if found == signature[:32] else "E-05"


# ------------------------------------------------------------------ trees (RFC 6962, RFC 9162)


def node(left: bytes, right: bytes) -> bytes:
    """Return the hash of a node."""
    return sha256(b"\x01" + left + right)


def leaf(data: bytes) -> bytes:
    """Return the hash of a leaf."""
    return sha256(b"\x00" + data)


def _split(n: int) -> int:
    """Return the largest power of two below n."""
    return 1 << (n - 1).bit_length() - 1


def partial_root(
    n: int, indices: Sequence[int], leaves: Sequence[bytes], rest: Sequence[bytes], place: str
) -> bytes:
    """Return the root of a tree of n leaves, of which some are given and `rest` stands for others.

    The tree is walked with a stack, so that its depth costs no recursion.
    """
    for before, after in zip([-1, *indices], indices):
        need(before < after, "E-10", place, "indices do not ascend")
    need(not indices or indices[-1] < n, "E-10", place, "an index beyond the tree")
    if n == 0:
        need(not rest, "E-10", place, "hashes are left over")
        return sha256(b"")
    more, at = iter(rest), 0

    def walk(start: int, end: int) -> bytes:
        nonlocal at
        if at == len(indices) or indices[at] >= end:
            found = next(more, None)
            if found is None:
                raise Fault("E-10", place, "a hash is missing")
            return found
        if end - start == 1:
            at += 1
            return leaves[at - 1]
        middle = start + _split(end - start)
        left = walk(start, middle)
        return node(left, walk(middle, end))

    root = walk(0, n)
    need(next(more, None) is None, "E-10", place, "hashes are left over")
    return root


def _texts(values: Any) -> bool:
    return isinstance(values, list) and all(isinstance(value, str) for value in values)


def hashes(values: list[str], number: str, place: str) -> list[bytes]:
    """Read a list of base64 hashes."""
    return [unbase64(value, number, place, 32) for value in values]


def consistent(
    old: int, new: int, old_root: bytes, new_root: bytes, proof: list[bytes], place: str
) -> None:
    """Check an RFC 9162 consistency proof (section 2.1.4.2)."""
    need(0 < old < new, "E-09", place, "sizes that no proof connects")
    path = ([old_root] if old & (old - 1) == 0 else []) + proof
    need(path, "E-09", place, "the proof is empty")
    fn, sn = old - 1, new - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    first = second = path[0]
    for hash_ in path[1:]:
        need(sn, "E-09", place, "hashes are left over")
        if fn & 1 or fn == sn:
            first, second = node(hash_, first), node(hash_, second)
            while fn and not fn & 1:
                fn, sn = fn >> 1, sn >> 1
        else:
            second = node(second, hash_)
        fn, sn = fn >> 1, sn >> 1
    need(sn == 0, "E-09", place, "hashes are missing")
    need((first, second) == (old_root, new_root), "E-04", place, "the two are not one history")


def included(index: int, size: int, leaf_hash: bytes, proof: list[bytes], place: str) -> bytes:
    """Return the root that an RFC 9162 inclusion proof (section 2.1.3.2) leads to."""
    need(0 <= index < size, "E-08", place, "an index beyond the tree")
    fn, sn, root = index, size - 1, leaf_hash
    for hash_ in proof:
        need(sn, "E-08", place, "the proof is too long")
        if fn & 1 or fn == sn:
            root = node(hash_, root)
            while fn and not fn & 1:
                fn, sn = fn >> 1, sn >> 1
        else:
            root = node(root, hash_)
        fn, sn = fn >> 1, sn >> 1
    need(sn == 0, "E-08", place, "the proof is too short")
    return root


# ------------------------------------------------------------------ the ZIP (E-21)

MIMETYPE = b"application/vnd.etsi.asic-e+zip"
MOST_BYTES = (4 << 30) - (1 << 20)
_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(?:/[A-Za-z0-9_-][A-Za-z0-9._-]*)*")
_LOCAL, _CENTRAL, _END = "<4sHHHHHIIIHH", "<4sHHHHHHIIIHHHHHII", "<4sHHHHIIH"


_MOST = (
    (r"META-INF/ASiCManifest\.xml", 32 << 20),
    (r"checkpoints/.*", 1_000_000),
    (r"entries/.*", 65_535),
    (r"schema/.*", 1 << 20),
    (r".*\.tlog-proof", 1_065_536),
)


def _most(name: str) -> int:
    """Return how many bytes a member may have that is read whole."""
    return next((most for form, most in _MOST if re.fullmatch(form, name)), 16 << 20)


class Member(NamedTuple):
    """Where the bytes of a member lie, and their CRC-32."""

    start: int
    size: int
    crc: int


class Zip:
    """The members of a bundle, whose headers are all as the format wants them."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.members: dict[str, Member] = {}
        size = file.seek(0, io.SEEK_END)
        need(22 <= size <= MOST_BYTES, "E-21", "the file", "not a bundle by its size")
        end = struct.unpack(_END, self._bytes(size - 22, 22))
        need(end[0] == b"PK\x05\x06", "E-21", "the file", "no ZIP, or bytes behind its end")
        count, length, start = end[3], end[5], end[6]
        need(length <= count * (46 + 512), "E-21", "end record", "a directory of no members")
        need(end[1:] == (0, 0, count, count, length, start, 0), "E-21", "end record", "is odd")
        need(start + length == size - 22, "E-21", "end record", "bytes outside of all members")
        self._walk(io.BytesIO(self._bytes(start, length)), count, start)

    def _walk(self, directory: io.BytesIO, count: int, start: int) -> None:
        at, before = 0, ""
        for number in range(count):
            header = directory.read(46)
            need(len(header) == 46, "E-21", "central directory", "is too short")
            found = struct.unpack(_CENTRAL, header)
            crc, size, length = found[7], found[8], found[10]
            raw = directory.read(length)
            name = raw.decode("ascii", "replace")
            fixed = (b"PK\x01\x02", 0x0314, 20, 0, 0, 0, 0x0021)
            rest = (crc, size, size, length, 0, 0, 0, 0, 0x01800000, at)
            need(found == fixed + rest, "E-21", f"member {number}", "its header is odd")
            need(length <= 512 and _NAME.fullmatch(name), "E-21", name[:80], "not such a name")
            need(name not in self.members, "E-21", name, "stands twice")
            right = name == "mimetype" if not number else number == 1 or before < name
            need(right, "E-21", name, "not in its place")
            local = (b"PK\x03\x04", 20, 0, 0, 0, 0x0021, crc, size, size, length, 0)
            head = self._bytes(at, 30 + length)
            good = len(head) == 30 + length and struct.unpack(_LOCAL, head[:30]) == local
            need(good and head[30:] == raw, "E-21", name, "its two headers differ")
            self.members[name] = Member(at + 30 + length, size, crc)
            before = name
            at += 30 + length + size
            need(at <= start, "E-21", name, "lies beyond the members")
        need(at == start and not directory.read(1), "E-21", "the file", "bytes between members")

    def _bytes(self, start: int, length: int) -> bytes:
        self._file.seek(start)
        return self._file.read(length)

    def read(self, name: str) -> bytes:
        """Return the bytes of a member."""
        need(name in self.members, "E-21", name, "is missing")
        member = self.members[name]
        need(member.size <= _most(name), "E-25", name, "longer than such a member may be")
        return self._bytes(member.start, member.size)

    def piece(self, member: Member, at: int, length: int) -> bytes:
        """Return some bytes of a member, fewer at its end."""
        return self._bytes(member.start + at, max(0, min(length, member.size - at)))

    def lines(self, name: str, longest: int = 8 << 20) -> Iterator[bytes]:
        """Give the lines of a member with their newlines, without reading it whole."""
        left = self.members[name].size
        at = self.members[name].start
        rest = b""
        while left:
            piece = self._bytes(at, min(left, 1 << 20))
            at, left = at + len(piece), left - len(piece)
            *lines, rest = (rest + piece).split(b"\n")
            yield from (line + b"\n" for line in lines)
            need(len(rest) <= longest, "E-11", name, "a line of more than 8 MiB")
        need(not rest, "E-11", name, "the last line does not end")

    def sums(self, name: str) -> tuple[bytes, int]:
        """Return SHA-256 and CRC-32 of a member."""
        member, digest, crc, done = self.members[name], hashlib.sha256(), 0, 0
        while done < member.size:
            piece = self._bytes(member.start + done, min(1 << 20, member.size - done))
            need(piece, "E-21", name, "the file was cut")
            digest.update(piece)
            crc, done = zlib.crc32(piece, crc), done + len(piece)
        return digest.digest(), crc


# ------------------------------------------------------------------ policy and notes


class Key(NamedTuple):
    """A verifier key of a signed note."""

    name: str
    id: bytes
    kind: int
    key: bytes


def vkey(words: object, number: str, place: str) -> Key:
    """Read `name+hash+key` (C2SP signed-note)."""
    need(isinstance(words, str), number, place, "not a key")
    name, _, rest = str(words).partition("+")
    id_, _, data = rest.partition("+")
    raw = unbase64(data, number, place)
    need(_key_name(name) and len(raw) > 1, number, place, "not a key")
    need(raw[0] in (1, 4, 6), number, place, "a kind of key that is not known")
    need(len(raw) == {1: 33, 4: 33, 6: 1313}[raw[0]], number, place, "a key of a wrong length")
    right = sha256(name.encode() + b"\n" + raw)[:4]
    need(id_ == right.hex(), number, place, "the key's hash is not its own")
    return Key(name, right, raw[0], raw[1:])


def _key_name(name: str) -> bool:
    return bool(name) and "+" not in name and not re.search(r"\s", name)


class Policy:
    """Whom to believe: log keys, witnesses, and how many of these there must be."""

    def __init__(self, words: str) -> None:
        self.logs: dict[str, list[Key]] = {}
        self.witnesses: dict[str, Key] = {}
        self._groups: dict[str, tuple[int, list[str]]] = {}
        self._members: set[str] = set()
        self._quorum = ""
        words = words.replace("\r\n", "\n")
        if len(words) > 1 << 20 or re.search(r"[\x00-\x08\x0b-\x1f\x7f]", words):
            raise ValueError("a policy is text of at most 1 MiB, without control characters")
        for number, line in enumerate(words.split("\n"), 1):
            parts = [part for part in re.split(r"[ \t]+", line) if part]
            if not parts or parts[0].startswith("#"):
                continue
            try:
                understood = self._line(parts)
            except Fault as fault:
                raise ValueError(f"line {number} of the policy: {fault.words}") from None
            if not understood:
                raise ValueError(f"line {number} of the policy is not understood: {line[:60]!r}")
        if not self.logs:
            raise ValueError("the policy names no log")
        if not self._quorum:
            raise ValueError("the policy has no line `quorum`; `quorum none` asks for nobody")

    def _line(self, parts: list[str]) -> bool:
        kind, rest = parts[0], parts[1:]
        if kind == "log" and len(rest) in (1, 2):
            key = vkey(rest[0], "E-06", "policy")
            known = [old.key for keys in self.logs.values() for old in keys]
            self.logs.setdefault(key.name, []).append(key)
            return key.kind in (1, 6) and key.key not in known
        if kind == "witness" and len(rest) in (2, 3) and self._new(rest[0]):
            key = vkey(rest[1], "E-06", "policy")
            known = [old.key for old in self.witnesses.values()]
            self.witnesses[rest[0]] = key
            return key.kind in (4, 6) and key.key not in known
        if kind == "group" and len(rest) >= 3 and self._new(rest[0]):
            return self._group(rest[0], rest[1], rest[2:])
        if kind == "quorum" and len(rest) == 1 and not self._quorum:
            self._quorum = rest[0]
            return rest[0] == "none" or self._known(rest[0])
        return False

    def _known(self, name: str) -> bool:
        return name in self.witnesses or name in self._groups

    def _new(self, name: str) -> bool:
        few = len(self.witnesses) + len(self._groups) < 256
        return few and name != "none" and not self._known(name)

    def _group(self, name: str, threshold: str, members: list[str]) -> bool:
        most = len(members)
        wanted = {"any": "1", "all": str(most)}.get(threshold, threshold)
        for member in members:
            if not self._known(member) or member in self._members:
                return False
            self._members.add(member)
        least = int(wanted) if re.fullmatch(r"[1-9][0-9]{0,3}", wanted) else 0
        self._groups[name] = (least, members)
        return 1 <= least <= most

    def met(self, signed: set[str]) -> bool:
        """Return whether the witnesses that signed are enough."""
        return self._quorum == "none" or self._meets(self._quorum, signed)

    def _meets(self, name: str, signed: set[str]) -> bool:
        if name in self.witnesses:
            return name in signed
        wanted, members = self._groups[name]
        return sum(self._meets(member, signed) for member in members) >= wanted


class Note:
    """A signed checkpoint: origin, size, root, and its signature lines in order."""

    def __init__(self, data: bytes, place: str) -> None:
        self.data, self.place = data, place
        try:
            words = data.decode("utf-8")
        except UnicodeDecodeError:
            raise Fault("E-05", place, "not UTF-8") from None
        need(not re.search(r"[\x00-\x09\x0b-\x1f]", words), "E-05", place, "control character")
        body, gap, lines = words.rpartition("\n\n")
        need(gap and lines.endswith("\n"), "E-05", place, "no note")
        self.text = (body + "\n").encode()
        self.lines = [self._line(line) for line in lines[:-1].split("\n")]
        need(len(self.lines) <= 100, "E-05", place, "more than 100 lines")
        parts = self.text.decode().split("\n")
        need(len(parts) == 4 and _key_name(parts[0]), "E-05", place, "no checkpoint")
        need(re.fullmatch(r"0|[1-9][0-9]{0,18}", parts[1]), "E-05", place, "its size is no number")
        self.origin, self.size = parts[0], int(parts[1])
        need(0 < self.size < 1 << 53, "E-05", place, "a size that no ledger has")
        self.root = unbase64(parts[2], "E-05", place, 32)

    def _line(self, line: str) -> tuple[str, bytes, bytes]:
        form = re.fullmatch(r"— ([^+\s]+) ([A-Za-z0-9+/=]+)", line)
        found = given(form, "E-05", self.place, "a signature line is odd")
        raw = unbase64(found.group(2), "E-05", self.place)
        need(len(raw) > 4, "E-05", self.place, "a signature line is too short")
        return found.group(1), raw[:4], raw[4:]

    def position(self, key: Key) -> int | None:
        """Return where the line of a key stands, which is checked; None where there is none."""
        found = [i for i, line in enumerate(self.lines) if line[:2] == (key.name, key.id)]
        for at in found:
            wrong = ed25519(key.key, self.lines[at][2], self.text)
            need(wrong is None, wrong or "", self.place, f"the signature of {key.name} is wrong")
        return found[0] if found else None

    def cosigned(self, key: Key) -> bool:
        """Return whether a witness signed (C2SP tlog-cosignature, type 0x04)."""
        lines = [line for line in self.lines if line[:2] == (key.name, key.id)]
        for _, _, signature in lines:
            need(len(signature) == 72, "E-19", self.place, f"{key.name}: no cosignature")
            time = int.from_bytes(signature[:8], "big")
            need(0 < time < 1 << 63, "E-19", self.place, f"{key.name}: an impossible time")
            message = f"cosignature/v1\ntime {time}\n".encode() + self.text
            wrong = ed25519(key.key, signature[8:], message)
            need(wrong is None, wrong or "", self.place, f"the cosignature of {key.name} is wrong")
        return bool(lines)


# ------------------------------------------------------------------ ledger entries

_COMMON = "v type site index time boot"
_TYPES = {
    "genesis": "log_vkey epoch_vkey mldsa_vkey interval_s logs software previous approvals",
    "segment": "log seq start end event_min event_max received_max rows groups root schema"
    " key_commit tag_alg spool file clock software",
    "empty": "start end logs",
    "gap": "start end logs cause",
    "epoch": "epoch vkey broken approvals",
    "clock": "offset_us source stratum step_us",
    "hold": "hold scope bundle until ref_commit",
    "release": "hold ref_commit",
    "destroyed": "segments policy due holds_checked actor second method backups_gone_by",
    "lost": "segments cause reason_commit approvals",
    "export": "bundle request_commit rows approver exporter recipient",
    "access": "start end searches views exports signins audit_seq",
    "config": "before after actor logs",
    "anchor": "origin size text_sha256 proofs renewal",
    "close": "next",
}
_ORIGIN = re.compile(r"(" + SITE + r")/ledger/([0-9]{4})(?:-([2-9]|[1-9][0-9]+))?")
YEAR_2400 = 13_569_465_600_000_000
DAY = 86_400_000_000


def _approvals(value: Any) -> bool:
    """Nobody, or two different people."""
    both = isinstance(value, list) and all(text(who, ID) for who in value)
    return both and (not value or (len(value) == 2 and value[0] != value[1]))


def _rows_of(value: Any, *kinds: Callable[[Any], bool]) -> bool:
    """Return whether a value is a list of lists, each with one item of each kind."""
    return isinstance(value, list) and all(
        isinstance(row, list)
        and len(row) == len(kinds)
        and all(kind(item) for kind, item in zip(kinds, row))
        for row in value
    )


def _log(value: Any) -> bool:
    return text(value, LOG)


def _hash(value: Any) -> bool:
    return text(value, HASH)


def _or_null(value: Any, kind: Callable[[Any], bool]) -> bool:
    return value is None or kind(value)


def _ascending(names: Any) -> bool:
    return isinstance(names, list) and all(map(_log, names)) and names == sorted(set(names))


def _positive(value: Any) -> bool:
    return natural(value) and value > 0


def _word(value: Any) -> bool:
    return text(value, WORD)


def _running(logs: Any) -> bool:
    return _rows_of(logs, _log, _positive, natural, natural, natural) and _ascending(
        [row[0] for row in logs]
    )


def _sized(value: Any, more: str = "") -> bool:
    numbers = {"size", *more.split()}
    return (
        isinstance(value, dict)
        and set(value) == {"sha256", *numbers}
        and _hash(value["sha256"])
        and all(natural(value[name]) for name in numbers)
    )


def _period(e: Json) -> bool:
    return natural(e["start"]) and natural(e["end"])


def _clock_of(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and set(value) == {"offset_us", "source", "stratum"}
        and whole(value["offset_us"])
        and _word(value["source"])
        and _or_null(value["stratum"], natural)
    )


def _is_key(value: Any) -> bool:
    try:
        return bool(vkey(value, "E-11", ""))
    except Fault:
        return False


def _is_genesis(e: Json) -> bool:
    keys = _is_key(e["log_vkey"]) and _is_key(e["epoch_vkey"])
    before = _or_null(e["previous"], lambda v: isinstance(v, str) and bool(v))
    return (
        (keys and before and _or_null(e["mldsa_vkey"], _is_key))
        and _positive(e["interval_s"])
        and _running(e["logs"])
        and _word(e["software"])
        and _approvals(e["approvals"])
    )


def _is_segment(e: Json) -> bool:
    numbers = all(natural(e[name]) for name in ("seq", "rows", "groups"))
    known = all(_hash(e[name]) for name in ("root", "schema", "key_commit"))
    spool = _rows_of([e["spool"]], natural, natural)
    file = e["file"]
    sized = isinstance(file, dict) and set(file) == {"name", "size", "sha256"}
    named = sized and natural(file["size"]) and _hash(file["sha256"])
    return (
        (_log(e["log"]) and numbers and known and spool and named and _period(e))
        and isinstance(file["name"], str)
        and e["tag_alg"] == "hmac"
        and _clock_of(e["clock"])
        and _word(e["software"])
    )


def _is_empty(e: Json) -> bool:
    return (
        _period(e)
        and _rows_of(e["logs"], _log, natural, natural, natural)
        and bool(e["logs"])
        and _ascending([row[0] for row in e["logs"]])
    )


def _is_gap(e: Json) -> bool:
    causes = ("stopped", "power", "disk-full", "unknown")
    return _period(e) and _ascending(e["logs"]) and bool(e["logs"]) and e["cause"] in causes


def _is_hold(e: Json) -> bool:
    scope = _or_null(e["scope"], lambda v: _rows_of(v, _log, natural, natural))
    bundle = _or_null(e["bundle"], lambda v: _sized(v, "segments"))
    only = (e["scope"] is None) != (e["bundle"] is None)
    named = text(e["hold"], ID) and _hash(e["ref_commit"])
    return only and scope and bundle and named and _or_null(e["until"], natural)


def _is_destroyed(e: Json) -> bool:
    people = text(e["actor"], ID) and text(e["second"], ID)
    words = _word(e["policy"]) and _word(e["method"])
    times = all(natural(e[name]) for name in ("due", "backups_gone_by", "holds_checked"))
    return people and words and times and _rows_of(e["segments"], _log, natural, _hash)


def _is_export(e: Json) -> bool:
    levels = ("C0", "C1", "C2", "C3")
    rows = _rows_of(e["rows"], _log, natural, natural, lambda level: level in levels)
    people = text(e["approver"], ID) and text(e["exporter"], ID) and _word(e["recipient"])
    return rows and people and _sized(e["bundle"]) and _hash(e["request_commit"])


def _is_access(e: Json) -> bool:
    counts = all(natural(e[name]) for name in ("searches", "views", "exports", "signins"))
    return counts and _period(e) and _or_null(e["audit_seq"], natural)


_FORMS: dict[str, Callable[[Json], bool]] = {
    "genesis": _is_genesis,
    "segment": _is_segment,
    "empty": _is_empty,
    "gap": _is_gap,
    "epoch": lambda e: (
        _positive(e["epoch"])
        and _is_key(e["vkey"])
        and isinstance(e["broken"], bool)
        and _approvals(e["approvals"])
    ),
    "clock": lambda e: (
        _word(e["source"])
        and whole(e["offset_us"])
        and whole(e["step_us"])
        and _or_null(e["stratum"], natural)
    ),
    "hold": _is_hold,
    "release": lambda e: text(e["hold"], ID) and _hash(e["ref_commit"]),
    "destroyed": _is_destroyed,
    "lost": lambda e: (
        _rows_of(e["segments"], _log, natural, _hash)
        and text(e["cause"], WORD)
        and _hash(e["reason_commit"])
        and _approvals(e["approvals"])
        and len(e["approvals"]) == 2
    ),
    "export": _is_export,
    "access": _is_access,
    "config": lambda e: (
        _hash(e["before"])
        and _hash(e["after"])
        and text(e["actor"], ID)
        and _or_null(e["logs"], _running)
    ),
    "anchor": lambda e: (
        text(e["origin"], _ORIGIN.pattern)
        and natural(e["size"])
        and _hash(e["text_sha256"])
        and isinstance(e["proofs"], list)
        and all(map(_hash, e["proofs"]))
        and _or_null(e["renewal"], lambda v: text(v, r"[0-9a-f]{128}"))
    ),
    "close": lambda e: text(e["next"], _ORIGIN.pattern),
}


def origin_of(words: object, number: str, place: str) -> tuple[str, int, int]:
    """Return site, year and which ledger of the year an origin names."""
    form = _ORIGIN.fullmatch(words) if isinstance(words, str) else None
    found = given(form, number, place, "not the origin of a ledger")
    return found.group(1), int(found.group(2)), int(found.group(3) or 1)


def entry(data: bytes, index: int, origin: str, place: str) -> Json:
    """Read a ledger entry and check what can be said of it by itself."""
    found = parse(data, "E-11", place)
    kind = found.get("type") if isinstance(found, dict) else None
    need(isinstance(kind, str) and kind in _TYPES, "E-11", place, "an unknown type")
    exactly(found, f"{_COMMON} {_TYPES[str(kind)]}", "E-11", place)
    common = found["v"] == 1 and natural(found["time"]) and text(found["boot"], UUID)
    need(common and whole(found["v"]), "E-11", place, "v, time or boot are wrong")
    right = found["index"] == index and found["site"] == origin_of(origin, "E-11", place)[0]
    need(right and natural(found["index"]), "E-11", place, "index or site are not its own")
    need(_FORMS[str(kind)](found), "E-11", place, "a member is not of its kind")
    _alone(found, place)
    return found  # type: ignore[no-any-return]


def _alone(e: Json, place: str) -> None:
    kind = e["type"]
    if kind in ("segment", "empty", "gap", "access"):
        need(e["start"] <= e["end"], "E-01", place, "ends before it starts")
        need(e["start"] < YEAR_2400, "E-23", place, "a year of the Buddhist era")
    if kind == "segment":
        _manifest(e, place)
    if kind == "empty":
        need(all(a <= b for *_, a, b in e["logs"]), "E-01", place, "spool goes back")
    if kind == "destroyed":
        need(e["actor"] != e["second"], "E-02", place, "one person twice")
        need(e["holds_checked"] <= e["index"], "E-02", place, "looked at holds to come")
        need(e["time"] >= e["due"], "E-02", place, "before it was due")
    if kind == "epoch":
        need(e["broken"] == bool(e["approvals"]), "E-03", place, "broken, and approved by nobody")


def day(time_us: int) -> date:
    """Return the UTC date of a time below the year 2400."""
    return date(1970, 1, 1) + timedelta(days=time_us // DAY)


def _manifest(e: Json, place: str) -> None:
    need(e["spool"][0] <= e["spool"][1], "E-01", place, "spool goes back")
    name = f"{_id(e).rpartition('/')[0]}/{day(e['start']):%Y/%m/%d}/{e['seq']}.parquet"
    need(e["file"]["name"] == name, "E-11", place, "the file of another segment")
    times = [e["event_min"], e["event_max"], e["received_max"]]
    if e["rows"] == 0:
        empty = e["groups"] == 0 and e["root"] == sha256(b"").hex()
        need(empty and times == [None] * 3, "E-17", place, "no rows, and yet something")
        return
    fits = 0 < e["groups"] <= e["rows"] and None not in times
    need(fits, "E-17", place, "rows, groups and extremes do not fit")
    low, high, received = (decimal(t, place) for t in times)
    need(low <= high, "E-17", place, "event_min after event_max")
    need(max(high, received) < YEAR_2400, "E-23", place, "a year of the Buddhist era")


# ------------------------------------------------------------------ rows (E-12 to E-14)


class Schema(NamedTuple):
    """The columns of a log."""

    log: str
    subject: str | None
    core: list[tuple[str, str]]
    detail: list[tuple[str, str]]


_WIDTHS = {"u8": 1, "u16": 2, "u32": 4, "u64": 8, "i64": 8}


def schema_of(data: bytes, name: str) -> Schema:
    """Read a schema document whose name is its hash."""
    need(sha256(data).hex() == name, "E-12", name, "a schema that is not what its name says")
    found = exactly(
        parse(data, "E-12", name), "format log version subject core detail", "E-12", name
    )
    right = found["format"] == "prathu-row/1" and _log(found["log"]) and _positive(found["version"])
    need(right, "E-12", name, "not a schema document")
    kinds = {*_WIDTHS, "bool", "time", "ip", "mac", "uuid", "str", "bytes"}

    def column(value: Any) -> bool:
        return text(value, COLUMN)

    both = [found["core"], found["detail"]]
    fits = all(_rows_of(part, column, lambda k: isinstance(k, str) and k in kinds) for part in both)
    need(fits, "E-12", name, "columns are wrong")
    core, detail = ([(n, k) for n, k in part] for part in both)
    names = [n for n, _ in core + detail]
    times = ("time", "time") in core and ("received", "time") in core
    need(len(set(names)) == len(names) and times, "E-12", name, "columns are wrong")
    subject = found["subject"]
    need(subject is None or (subject, "str") in core, "E-12", name, "its subject is no column")
    return Schema(found["log"], subject, core, detail)


def _field(kind: str, value: Any, place: str) -> bytes:
    """Encode one value (evidence format, section 2)."""
    if kind in _WIDTHS:
        number = wide(value, "E-12", place)
        signed, size = kind == "i64", _WIDTHS[kind]
        low, high = (-(1 << 63), 1 << 63) if signed else (0, 1 << min(63, 8 * size))
        need(low <= number < high, "E-12", place, "out of range")
        return number.to_bytes(size, "big", signed=signed)
    if kind == "time":
        number = wide(value, "E-12", place)
        need(-(1 << 63) <= number < 1 << 63, "E-12", place, "out of range")
        return number.to_bytes(8, "big", signed=True)
    if kind == "bool":
        need(isinstance(value, bool), "E-12", place, "neither true nor false")
        return bytes([value])
    need(isinstance(value, str), "E-12", place, "not text")
    if kind == "bytes":
        return sha256(unbase64(value, "E-12", place))
    if kind == "str":
        try:
            return sha256(value.encode("utf-8"))
        except UnicodeEncodeError:
            raise Fault("E-12", place, "text that is not UTF-8") from None
    return _spelt(kind, value, place)


def _spelt(kind: str, value: str, place: str) -> bytes:
    """Encode what has one canonical text: an address, a MAC, a UUID."""
    if kind == "mac":
        need(text(value, r"[0-9a-f]{2}(?::[0-9a-f]{2}){5}"), "E-12", place, "not such a MAC")
        return bytes.fromhex(value.replace(":", ""))
    if kind == "uuid":
        need(text(value, UUID), "E-12", place, "not such a UUID")
        return uuid.UUID(value).bytes
    try:
        address = ipaddress.ip_address(value)
    except ValueError:
        raise Fault("E-12", place, "not an address") from None
    if isinstance(address, ipaddress.IPv4Address):
        need(str(address) == value, "E-12", place, "an address spelt otherwise")
        return b"\x04" + bytes(10) + b"\xff\xff" + address.packed
    mapped = address.ipv4_mapped
    spelt = f"::ffff:{mapped}" if mapped is not None else str(address)
    need(spelt == value and "%" not in value, "E-12", place, "an address spelt otherwise")
    return b"\x06" + address.packed


_NULLS = {**_WIDTHS, "time": 8, "bool": 1, "ip": 17, "mac": 6, "uuid": 16, "str": 32, "bytes": 32}


def encode(columns: list[tuple[str, str]], row: Any, place: str) -> bytes:
    """Return a row as the format hashes it."""
    need(isinstance(row, dict), "E-12", place, "not a row")
    odd = {name for name, _ in columns} ^ set(row)
    need(not odd, "E-12", place, f"columns unknown or missing: {', '.join(sorted(odd))[:80]!r}")
    nulls, fields = bytearray((len(columns) + 7) // 8), []
    for j, (name, kind) in enumerate(columns):
        if row[name] is None:
            nulls[j // 8] |= 0x80 >> j % 8
            fields.append(bytes(_NULLS[kind]))
        else:
            fields.append(_field(kind, row[name], f"{place}, {name}"))
    return bytes(nulls) + b"".join(fields)


# ------------------------------------------------------------------ the bundle


class Ledger:
    """One ledger of the bundle: its notes, and the entries shown."""

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.site, self.year, self.turn = origin_of(origin, "E-22", origin)
        self.hash = sha256(origin.encode()).hex()
        self.notes: dict[int, Note] = {}
        self.entries: dict[int, Json] = {}
        self.raw: dict[int, bytes] = {}
        self.quorate: list[int] = []  # sizes of the notes that enough witnesses signed

    @property
    def head(self) -> Note:
        """The greatest note."""
        return self.notes[max(self.notes)]

    def of(self, *kinds: str) -> list[Json]:
        """Return the entries of some types, in order."""
        return [self.entries[i] for i in sorted(self.entries) if self.entries[i]["type"] in kinds]

    def place(self, e: Json) -> str:
        """Return where an entry stands."""
        return f"entries/{self.hash}/{e['index']}.json"


class Result(NamedTuple):
    """What a good bundle proves."""

    case: str
    site: str
    segments: dict[str, str]
    rows: int
    oldest: str
    notices: list[str]


class Bundle:
    """A bundle that is being checked, step by step in the order of the format."""

    def __init__(self, zip_: Zip, policy: Policy) -> None:
        self.zip, self.policy = zip_, policy
        self.ledgers: dict[str, Ledger] = {}
        self.notices: list[str] = []
        self.manifest: Json = {}
        self.schemas: dict[str, Schema] = {}
        self.segment_schema: dict[str, str] = {}
        self.detail: dict[str, list[str]] = {}
        self.gone: dict[tuple[str, int], Json] = {}

    def check(self) -> Result:
        """Return what the bundle proves."""
        self._members()
        self._notes()
        self._consistency()
        self._entries()
        for ledger in self._in_order():
            told = [e["index"] for e in ledger.of("segment", "empty", "gap")]
            enough = max(ledger.quorate, default=0) > max(told, default=-1)
            need(enough, "E-19", ledger.head.place, "too few witnesses signed")
        for ledger in self._in_order():
            self._keys(ledger)
        self._course()
        rows = self._segments()
        self._beside()
        shown = self.manifest["completeness"]
        segments = {id_: f"valid, {shown[id_]}" for id_ in sorted(shown)}
        segments.update(self._not_shown())
        newest = max(e["time"] for ledger in self.ledgers.values() for e in ledger.entries.values())
        case, site = self.manifest["case"], self.manifest["site"]
        return Result(case, site, segments, rows, str(newest), self.notices)

    # -------- step 2

    def _members(self) -> None:
        names = list(self.zip.members)
        mimetype = given(self.zip.members.get("mimetype"), "E-21", "mimetype", "is missing")
        right = mimetype.size == len(MIMETYPE) and self.zip.read("mimetype") == MIMETYPE
        need(right and zlib.crc32(MIMETYPE) == mimetype.crc, "E-21", "mimetype", "is another")
        sums = {name: self.zip.sums(name) for name in names}
        listed = [n for n in names if n != "mimetype" and not n.startswith("META-INF/")]
        xml = self.zip.read("META-INF/ASiCManifest.xml")
        need(xml == _asic(listed, sums), "E-25", "META-INF/ASiCManifest.xml", "members are others")
        self._manifest(listed, sums)
        for name in names:
            need(sums[name][1] == self.zip.members[name].crc, "E-21", name, "its CRC-32 is wrong")
        self._belongs(names)

    def _manifest(self, listed: list[str], sums: dict[str, tuple[bytes, int]]) -> None:
        place = "manifest.json"
        members = (
            "format case site retainedDataHeader LDID legalBasis deliveryDetails query timezone"
            " completeness rowCounts withheld operator approver files"
        )
        found = parse(self.zip.read(place), "E-11", place)
        m = self.manifest = exactly(found, members, "E-11", place)
        need(_manifest_fits(m), "E-11", place, "a member is not of its kind")
        need(m["operator"] != m["approver"], "E-11", place, "one person ran and approved it")
        same = set(m["completeness"]) == set(m["rowCounts"])
        need(same, "E-11", place, "rowCounts and completeness differ")
        names = [file["name"] for file in m["files"]]
        there = [name for name in listed if name != place]
        need(names == there, "E-21", place, "files are not the members")
        for file in m["files"]:
            digest, size = sums[file["name"]][0].hex(), self.zip.members[file["name"]].size
            right = (file["sha256"], file["size"]) == (digest, size)
            need(right, "E-25", file["name"], "not the bytes that are listed")

    def _belongs(self, names: list[str]) -> None:
        """Every member is one that the format has and something refers to; none is missing."""
        ids, counts = set(self.manifest["completeness"]), self.manifest["rowCounts"]
        fixed = {"mimetype", "manifest.json", "META-INF/ASiCManifest.xml", "proofs/entries.json"}
        fixed |= {"proofs/consistency.json", "records.csv", "custody.jsonl"}
        fixed |= {f"proofs/{id_}.json" for id_ in ids}
        fixed |= {f"records/{id_}.jsonl" for id_ in ids if counts[id_]}
        if len(ids) <= 500:
            fixed |= {f"proofs/{id_}.tlog-proof" for id_ in ids}
        missing = sorted(fixed - set(names))
        need(not missing, "E-21", missing[0] if missing else "", "is missing")
        optional = {"META-INF/timestamp.tst", "report_th.pdf", "report_en.pdf"}
        shapes = re.compile(
            r"checkpoints/[0-9a-f]{64}\.(?:0|[1-9][0-9]{0,15})\.note"
            r"|entries/[0-9a-f]{64}/(?:0|[1-9][0-9]{0,15})\.json|schema/[0-9a-f]{64}\.json"
            r"|tst/[0-9a-f]{64}\.(?:0|[1-9][0-9]{0,15})\.[a-z0-9-]+\.(?:tsr|pem)"
        )
        for name in names:
            known = name in fixed or name in optional or shapes.fullmatch(name)
            need(known, "E-21", name, "a member that nothing refers to")
        members = self.zip.members
        for name in names:
            if name.startswith("tst/"):
                note = "checkpoints/" + ".".join(name[4:].split(".")[:2]) + ".note"
                need(note in members, "E-21", name, "a token of no note")
                token = name[: -len("pem")] + "tsr"
                need(token in members, "E-21", name, "the chain of no token")
        if "META-INF/timestamp.tst" in names or any(n.startswith("tst/") for n in names):
            self.notices.append("time-stamp tokens are not checked by this program")

    # -------- steps 3 and 4

    def _notes(self) -> None:
        for name in self.zip.members:
            if not name.startswith("checkpoints/"):
                continue
            note = Note(self.zip.read(name), name)
            named = f"checkpoints/{sha256(note.origin.encode()).hex()}.{note.size}.note"
            need(name == named, "E-25", name, "a note of another size or ledger than its name says")
            ledger = self.ledgers.setdefault(note.origin, Ledger(note.origin))
            ledger.notes[note.size] = note
            self._signed(note)
        need(self.ledgers, "E-21", "checkpoints", "are missing")

    def _signed(self, note: Note) -> None:
        keys = self.policy.logs.get(note.origin, [])
        own = [key for key in keys if key.kind == 1]
        need(own, "E-03", note.place, f"the policy names no key of {note.origin}")
        borne = [key for key in own if note.position(key) is not None]
        need(borne, "E-03", note.place, "not signed by the log's key")
        for key in keys:
            if key.kind == 6:
                lines = [line for line in note.lines if line[:2] == (key.name, key.id)]
                need(lines, "E-20", note.place, "the ML-DSA line is missing")
                hint = "this program cannot check the ML-DSA lines that the policy asks for"
                need(not lines, "E-20", note.place, hint)
        for key in self.policy.witnesses.values():
            there = any(line[:2] == (key.name, key.id) for line in note.lines)
            asks = key.kind == 6 and there
            need(not asks, "E-20", note.place, "this program cannot check ML-DSA lines")
        witnesses = self.policy.witnesses.items()
        signed = {name for name, key in witnesses if key.kind == 4 and note.cosigned(key)}
        if self.policy.met(signed):
            self.ledgers[note.origin].quorate.append(note.size)

    def _once(self, words: str) -> None:
        if words not in self.notices:
            self.notices.append(words)

    def _consistency(self) -> None:
        place = "proofs/consistency.json"
        found = exactly(parse(self.zip.read(place), "E-11", place), "format logs", "E-11", place)
        need(found["format"] == "prathu-consistency/1", "E-11", place, "another format")
        logs = found["logs"]
        need(isinstance(logs, list), "E-11", place, "no list of ledgers")
        for log in logs:
            exactly(log, "origin sizes proofs", "E-11", place)
            right = isinstance(log["origin"], str) and isinstance(log["proofs"], list)
            right = right and all(map(_texts, log["proofs"]))
            sizes = isinstance(log["sizes"], list) and all(map(natural, log["sizes"]))
            need(right and sizes, "E-11", place, "not of its form")
        told = [(log["origin"], log["sizes"]) for log in logs]
        there = [(o, sorted(self.ledgers[o].notes)) for o in sorted(self.ledgers)]
        need(told == there, "E-09", place, "not the notes that are here")
        for log in logs:
            notes, sizes = self.ledgers[log["origin"]].notes, log["sizes"]
            need(len(log["proofs"]) == len(sizes) - 1, "E-09", place, "a proof too few or too many")
            for old, new, proof in zip(sizes, sizes[1:], log["proofs"]):
                path = hashes(proof, "E-11", place)
                consistent(old, new, notes[old].root, notes[new].root, path, place)

    # -------- step 5

    def _entries(self) -> None:
        place = "proofs/entries.json"
        found = exactly(parse(self.zip.read(place), "E-11", place), "format logs", "E-11", place)
        need(found["format"] == "prathu-entries/1", "E-11", place, "another format")
        need(isinstance(found["logs"], list), "E-11", place, "no list of ledgers")
        for log in found["logs"]:
            exactly(log, "origin size indices proof", "E-11", place)
            indices = isinstance(log["indices"], list) and all(map(natural, log["indices"]))
            right = isinstance(log["origin"], str) and natural(log["size"]) and indices
            need(right and _texts(log["proof"]), "E-11", place, "not of its form")
        told = [(log["origin"], log["size"]) for log in found["logs"]]
        there = [(o, self.ledgers[o].head.size) for o in sorted(self.ledgers)]
        need(told == there, "E-10", place, "not the ledgers and sizes of the greatest notes")
        self._proven(found["logs"], place)
        for origin in sorted(self.ledgers):
            ledger = self.ledgers[origin]
            for index, data in sorted(ledger.raw.items()):
                where = f"entries/{ledger.hash}/{index}.json"
                ledger.entries[index] = entry(data, index, origin, where)

    def _proven(self, logs: list[Json], place: str) -> None:
        by_hash = {ledger.hash: ledger for ledger in self.ledgers.values()}
        for name in self.zip.members:
            if name.startswith("entries/"):
                _, hash_, file = name.split("/")
                need(hash_ in by_hash, "E-10", name, "an entry of no ledger that is here")
                by_hash[hash_].raw[int(file[:-5])] = self.zip.read(name)
        for log in logs:
            ledger = self.ledgers[log["origin"]]
            same = sorted(set(log["indices"])) == sorted(ledger.raw)
            need(same, "E-10", place, "indices are not the entries that are here")
            leaves = [leaf(ledger.raw[i]) for i in log["indices"]]
            rest = hashes(log["proof"], "E-11", place)
            root = partial_root(log["size"], log["indices"], leaves, rest, place)
            need(root == ledger.head.root, "E-25", place, "the entries are not those of the note")

    # -------- step 6

    def _in_order(self) -> list[Ledger]:
        return sorted(self.ledgers.values(), key=lambda ledger: (ledger.year, ledger.turn))

    def _keys(self, ledger: Ledger) -> None:
        first = given(ledger.entries.get(0), "E-22", ledger.origin, "no genesis")
        at = [e["index"] for e in ledger.of("genesis")]
        need(at == [0], "E-22", ledger.origin, "genesis stands elsewhere than at 0")
        place = ledger.place(first)
        log_key = vkey(first["log_vkey"], "E-22", place)
        need(log_key.name == ledger.origin and log_key.kind == 1, "E-22", place, "not its own key")
        known = [key for key in self.policy.logs[ledger.origin] if key.kind == 1]
        need(log_key in known, "E-03", place, "its log key is not that of the policy")
        quantum = first["mldsa_vkey"] and vkey(first["mldsa_vkey"], "E-22", place)
        if quantum:
            own = quantum.name == ledger.origin and quantum.kind == 6
            need(own, "E-22", place, "an ML-DSA key that is none of this ledger")
            self._once("ML-DSA signatures are not checked by this program")
        epochs = [(0, self._epoch_key(ledger, first["epoch_vkey"], place), False)]
        for number, e in enumerate(ledger.of("epoch"), 1):
            place = ledger.place(e)
            need(e["epoch"] == number, "E-03", place, "an epoch is missing")
            key = self._epoch_key(ledger, e["vkey"], place)
            need(all(key.key != old.key for _, old, _ in epochs), "E-03", place, "an old epoch key")
            epochs.append((e["index"] + 1, key, e["broken"]))
            if e["broken"]:
                lost = f"epoch {number} of {ledger.origin} was broken"
                self._once(f"{lost}: what lies before it rests on witnesses and tokens")
        for note in ledger.notes.values():
            self._bears(note, log_key, epochs, quantum)
        self._hand_overs(ledger, epochs)

    def _epoch_key(self, ledger: Ledger, words: str, place: str) -> Key:
        key = vkey(words, "E-22", place)
        need(key.name == f"{ledger.origin}/epoch", "E-22", place, "an epoch key of another name")
        need(key.kind == 1, "E-22", place, "an epoch key of another kind")
        return key

    def _bears(
        self, note: Note, log_key: Key, epochs: list[tuple[int, Key, bool]], quantum: Key | None
    ) -> None:
        """The log's key first, at a hand-over the old epoch's, then that of its size."""
        past = [number for number, (since, _, _) in enumerate(epochs) if since <= note.size]
        now = past[-1]
        since, key, broken = epochs[now]
        wanted = [log_key, key]
        if now and since == note.size and not broken:
            wanted.insert(1, epochs[now - 1][1])
        for at, own in enumerate(wanted):
            right = note.position(own) == at
            need(right, "E-03", note.place, f"line {at + 1} is not that of {own.name}")
        own_keys = {(key.name, key.id) for _, key, _ in epochs} | {(log_key.name, log_key.id)}
        rest = note.lines[len(wanted) :]
        if quantum:
            mark = (quantum.name, quantum.id)
            need(mark in (line[:2] for line in rest), "E-20", note.place, "no ML-DSA line")
            need(rest[0][:2] == mark, "E-03", note.place, "its ML-DSA line is not in its place")
            own_keys, rest = own_keys | {mark}, rest[1:]
        more = [line for line in rest if line[:2] in own_keys]
        need(not more, "E-03", note.place, "one line of the ledger's own keys too many")

    def _hand_overs(self, ledger: Ledger, epochs: list[tuple[int, Key, bool]]) -> None:
        shown = ledger.of("segment", "empty", "gap")
        if shown:
            for since, _, _ in epochs[1:]:
                wanted = since - 1 > shown[0]["index"]
                there = since in ledger.notes
                need(there or not wanted, "E-03", ledger.origin, f"no hand-over note {since}")

    # -------- step 7

    def _course(self) -> None:
        ledgers = self._in_order()
        need(len({v.site for v in ledgers}) == 1, "E-22", "checkpoints", "several sites")
        need(ledgers[0].site == self.manifest["site"], "E-22", "manifest.json", "another site")
        for ledger in ledgers:
            self._times(ledger)
        for before, after in zip(ledgers, ledgers[1:]):
            self._linked(before, after)
        entries = [(v, v.entries[i]) for v in ledgers for i in sorted(v.entries)]
        for log in self.manifest["query"]["logs"]:
            self._tiles(log, entries)
        self._clocks(entries)
        self._destroyed(entries)

    def _times(self, ledger: Ledger) -> None:
        last = None
        for e in (ledger.entries[i] for i in sorted(ledger.entries)):
            place = ledger.place(e)
            back = e["type"] == "clock" and e["step_us"] < 0
            need(last is None or e["time"] >= last or back, "E-23", place, "time goes back")
            last = e["time"]
        closes = ledger.of("close")
        if closes:
            end = closes[0]["index"] == max(ledger.entries) == ledger.head.size - 1
            need(end, "E-22", ledger.place(closes[0]), "an entry behind close")

    def _linked(self, before: Ledger, after: Ledger) -> None:
        first = after.entries[0]
        place = after.place(first)
        need(first["previous"] is not None, "E-22", place, "names no ledger before it")
        note = Note(first["previous"].encode(), place)
        same = note.text == before.head.text
        need(same and note.size == before.head.size, "E-22", place, "previous is another note")
        self._signed_before(note, before)
        closes = before.of("close")
        if closes:
            named = closes[0]["next"] == after.origin
            need(named, "E-22", before.place(closes[0]), "closes for another ledger")
        else:
            again = after.year == before.year and after.turn == before.turn + 1
            need(again and first["approvals"], "E-22", place, "the ledger before is not closed")

    def _signed_before(self, note: Note, before: Ledger) -> None:
        keys = [key for key in self.policy.logs[before.origin] if key.kind == 1]
        need(any(note.position(k) == 0 for k in keys), "E-22", note.place, "is not signed")

    def _tiles(self, log: str, entries: list[tuple[Ledger, Json]]) -> None:
        """The intervals and gaps of a log tile the period without hole or overlap."""
        start, end = self.manifest["query"]["from"], self.manifest["query"]["to"]
        last_end: int | None = None
        last: tuple[int, int] | None = None
        for ledger, e in entries:
            part = _part(e, log)
            if part is None:
                continue
            place = ledger.place(e)
            if last_end is None:
                need(e["start"] <= start, "E-01", place, f"{log} is not told from the beginning")
            else:
                need(e["start"] == last_end, "E-01", place, f"{log} has a hole or an overlap")
            last_end = e["end"]
            if part:
                own = day(e["start"]).year == ledger.year
                need(own, "E-01", place, f"an interval of {log} in the ledger of another year")
                seq, spool_from, spool_to = part
                if last is not None:
                    need((seq, spool_from) == last, "E-01", place, f"seq or spool of {log} jumps")
                last = seq + 1, spool_to
        need(last_end is not None and last_end >= end, "E-01", log, "is not told to the end")

    def _clocks(self, entries: list[tuple[Ledger, Json]]) -> None:
        clock: Json | None = None
        for ledger, e in entries:
            if e["type"] == "genesis":  # each ledger tells by itself
                clock = None
            if e["type"] == "clock":
                clock = e
            if e["type"] in ("segment", "empty"):
                need(clock is not None, "E-23", ledger.place(e), "no state of the clock before it")
            if e["type"] == "segment" and clock is not None:
                same = all(e["clock"][n] == clock[n] for n in ("source", "stratum"))
                need(same, "E-23", ledger.place(e), "another clock than was told before")

    def _destroyed(self, entries: list[tuple[Ledger, Json]]) -> None:
        segments = {(e["log"], e["seq"]): e for _, e in entries if e["type"] == "segment"}
        holds: dict[str, list[Json]] = {}
        for ledger, e in entries:
            if e["type"] == "hold":
                holds.setdefault(e["hold"], []).append(e)
            elif e["type"] == "release":
                holds.pop(e["hold"], None)
            elif e["type"] == "destroyed":
                for log, seq, root in e["segments"]:
                    segment = segments.get((log, seq))
                    if segment is not None:
                        _rightly(e, segment, root, holds, ledger.place(e))
                        self.gone[log, seq] = e

    # -------- step 8

    def _segments(self) -> int:
        entries = {_id(e): e for v in self.ledgers.values() for e in v.of("segment")}
        total, ids = 0, sorted(self.manifest["completeness"])
        query = self.manifest["query"]
        for id_ in ids:
            e = given(entries.get(id_), "E-02", id_, "no entry of this segment")
            need((e["log"], e["seq"]) not in self.gone, "E-02", id_, "was destroyed, and is shown")
            if f"proofs/{id_}.tlog-proof" in self.zip.members:
                self._tlog_proof(id_, f"proofs/{id_}.tlog-proof")
            asked = e["log"] in query["logs"]
            meets = e["start"] < query["to"] and query["from"] <= max(e["end"] - 1, e["start"])
            need(asked and meets, "E-01", id_, "not in the question")
            total += _Segment(self, id_, e).check()
        wanted = {f"schema/{s}.json" for s in self.schemas}
        there = {n for n in self.zip.members if n.startswith("schema/")}
        need(wanted == there, "E-21", "schema", "a schema that no segment has")
        withheld = self.manifest["withheld"]
        for log, columns in withheld.items():
            right = columns and self.detail.get(log) == columns
            need(right, "E-13", "manifest.json", f"withheld of {log}")
        return total

    def _tlog_proof(self, id_: str, name: str) -> None:
        """Check a C2SP tlog-proof of a segment's entry."""
        head, gap, note = self.zip.read(name).partition(b"\n\n")
        try:
            lines = head.decode("ascii").split("\n")
        except UnicodeDecodeError:
            raise Fault("E-08", name, "not a proof") from None
        form = gap and len(lines) >= 2 and lines[0] == "c2sp.org/tlog-proof@v1"
        need(form, "E-08", name, "not a proof")
        number = re.fullmatch(r"index (0|[1-9][0-9]{0,18})", lines[1])
        at = int(given(number, "E-08", name, "no index").group(1))
        path = [unbase64(line, "E-08", name, 32) for line in lines[2:]]
        its_own = (v for v in self.ledgers.values() if v.head.data == note)
        ledger = given(next(its_own, None), "E-08", name, "its note is not the greatest here")
        shown = ledger.entries.get(at)
        its = shown is not None and shown["type"] == "segment" and _id(shown) == id_
        need(its, "E-08", name, "the index of another entry")
        root = included(at, ledger.head.size, leaf(ledger.raw[at]), path, name)
        need(root == ledger.head.root, "E-08", name, "leads to another root")

    def schema(self, name: str, log: str, id_: str) -> Schema:
        """Return a schema, read once."""
        if name not in self.schemas:
            data = self.zip.read(f"schema/{name}.json")
            self.schemas[name] = schema_of(data, name)
        found = self.schemas[name]
        need(found.log == log, "E-12", id_, "the schema of another log")
        columns = self.detail.setdefault(log, [])
        columns += [n for n, _ in found.detail if n not in columns]
        self.segment_schema[id_] = name
        return found

    def _not_shown(self) -> dict[str, str]:
        query, shown, found = self.manifest["query"], self.manifest["completeness"], {}
        for ledger in self.ledgers.values():
            for e in ledger.of("segment"):
                if e["log"] not in query["logs"] or _id(e) in shown:
                    continue
                if e["start"] < query["to"] and e["end"] > query["from"]:
                    gone = (e["log"], e["seq"]) in self.gone
                    words = "lawfully destroyed" if gone else "not shown" if e["rows"] else "empty"
                    found[_id(e)] = words
        return dict(sorted(found.items()))

    # -------- step 9

    def _beside(self) -> None:
        need(_same_csv(self), "E-21", "records.csv", "not what the records give")
        for line in self.zip.lines("custody.jsonl", 1 << 16):
            found = parse(line[:-1], "E-11", "custody.jsonl")
            step = exactly(found, "index step time who", "E-11", "custody.jsonl")
            steps = ("asked", "approved", "ran", "packed", "received")
            right = step["step"] in steps and text(step["who"], ID) and natural(step["time"])
            fits = right and _or_null(step["index"], natural)
            need(fits, "E-11", "custody.jsonl", "a line is odd")


def _id(e: Json) -> str:
    return f"{e['site']}/{e['log']}/{e['seq']}"


def _part(e: Json, log: str) -> tuple[int, ...] | None:
    """Return seq and spool that an entry gives to a log, () for a gap, None where it gives none."""
    if e["type"] == "segment" and e["log"] == log:
        return e["seq"], e["spool"][0], e["spool"][1]
    if e["type"] == "empty":
        return next((tuple(row[1:]) for row in e["logs"] if row[0] == log), None)
    if e["type"] == "gap" and log in e["logs"]:
        return ()
    return None


def _rightly(e: Json, segment: Json, root: str, holds: dict[str, list[Json]], place: str) -> None:
    need(root == segment["root"], "E-02", place, "destroyed another segment")
    received = segment["received_max"]
    since = segment["end"] if received is None else int(received)
    need(e["time"] >= since + 90 * DAY, "E-02", place, "destroyed before 90 days were over")
    for hold in (one for of_an_id in holds.values() for one in of_an_id):
        over = hold["until"] is not None and e["time"] >= hold["until"]
        if hold["scope"] is not None and not over:
            at = segment["log"], segment["seq"]
            held = any(log == at[0] and a <= at[1] <= b for log, a, b in hold["scope"])
            need(not held, "E-02", place, "destroyed while a hold covered it")


def _manifest_fits(m: Json) -> bool:
    header, query = m["retainedDataHeader"], m["query"]
    ids = r"(" + SITE + r")/" + LOG + r"/(?:0|[1-9][0-9]{0,15})"
    try:
        request = header["requestID"]
        head = set(header) == {"requestID", "cSPID", "timeStamp"} and set(request) == {
            "countryCode", "authorisedOrganisationID", "requestNumber",
        }  # fmt: skip
        words = [m["LDID"], m["legalBasis"], header["cSPID"], *request.values()]
        when = text(header["timeStamp"], MOMENT)
        period = natural(query["from"]) and natural(query["to"]) and query["from"] < query["to"]
        asked = _ascending(query["logs"]) and bool(query["logs"])
        levels = all(
            text(id_, ids) and level in ("C0", "C1", "C2", "C3")
            for id_, level in m["completeness"].items()
        )
        counts = all(natural(count) for count in m["rowCounts"].values())
        withheld = all(_log(log) for log in m["withheld"]) and all(
            isinstance(c, list) and all(text(n, COLUMN) for n in c) for c in m["withheld"].values()
        )
        files = isinstance(m["files"], list) and all(
            set(f) == {"name", "sha256", "size"}
            and isinstance(f["name"], str)
            and _hash(f["sha256"])
            and natural(f["size"])
            for f in m["files"]
        )
        return (
            (m["format"], m["timezone"]) == ("prathu-bundle/1", "Asia/Bangkok")
            and request["countryCode"] == "TH"
            and all(isinstance(word, str) for word in words)
            and head
            and when
            and set(m["deliveryDetails"]) == {"recipient"}
            and _word(m["deliveryDetails"]["recipient"])
            and period
            and asked
            and all(text(m[name], ID) for name in ("case", "operator", "approver"))
            and text(m["site"], SITE)
            and levels
            and counts
            and withheld
            and files
        )
    except (TypeError, KeyError, AttributeError):
        return False


def _asic(names: list[str], sums: dict[str, tuple[bytes, int]]) -> bytes:
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<asic:ASiCManifest xmlns:asic="http://uri.etsi.org/02918/v1.2.1#"'
        ' xmlns:ds="http://www.w3.org/2000/09/xmldsig#">',
        '<asic:SigReference URI="META-INF/timestamp.tst"'
        ' MimeType="application/vnd.etsi.timestamp-token"/>',
    ]
    for name in names:
        value = base64.b64encode(sums[name][0]).decode()
        lines.append(
            f'<asic:DataObjectReference URI="{name}"><ds:DigestMethod'
            ' Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"/>'
            f"<ds:DigestValue>{value}</ds:DigestValue></asic:DataObjectReference>"
        )
    return ("\n".join([*lines, "</asic:ASiCManifest>"]) + "\n").encode()


class _Segment:
    """One segment: its proof, its rows, and how complete they are."""

    def __init__(self, bundle: Bundle, id_: str, manifest: Json) -> None:
        self.bundle, self.id, self.manifest = bundle, id_, manifest
        self.level = bundle.manifest["completeness"][id_]
        self.place = f"proofs/{id_}.json"

    def check(self) -> int:
        """Return how many rows are shown."""
        need(self.level in ("C0", "C1", "C2"), "E-16", self.id, f"{self.level!r} is in no bundle")
        schema = self.bundle.schema(self.manifest["schema"], self.manifest["log"], self.id)
        proof = self._form(parse(self.bundle.zip.read(self.place), "E-11", self.place))
        self._groups(proof)
        self._level(proof)
        count: int = sum(b - a for d in proof["disclosed"] for a, b in d["rows"])
        shown = proof["disclosed"] or proof.get("absent")
        need(shown and self.manifest["rows"], "E-16", self.id, "nothing is shown")
        told = sum(d["count"] for d in proof["disclosed"])
        need(told <= self.manifest["rows"], "E-17", self.place, "more rows than the segment has")
        right = count == self.bundle.manifest["rowCounts"][self.id]
        need(right, "E-17", self.id, "rowCounts is wrong")
        bodies = self._rows(proof, schema)
        leaves = bodies + [
            (n["g"], bytes.fromhex(n["tag"]) + bytes.fromhex(n["body"]))
            for n in proof["neighbours"]
        ]
        leaves.sort()
        rest = hashes(proof["directory"], "E-10", self.place)
        groups = self.manifest["groups"]
        indices, data = [g for g, _ in leaves], [leaf(d) for _, d in leaves]
        root = partial_root(groups, indices, data, rest, self.place)
        need(root.hex() == self.manifest["root"], "E-25", self.place, "not the root of the entry")
        return count

    def _form(self, proof: Any) -> Json:
        names = "format segment groups disclosed neighbours directory"
        with_absent = isinstance(proof, dict) and "absent" in proof
        exactly(proof, names + (" absent" if with_absent else ""), "E-11", self.place)
        right = proof["format"] == "prathu-proof/1" and proof["segment"] == self.id
        need(right and natural(proof["groups"]), "E-11", self.place, "not of its form")
        for part in ("disclosed", "neighbours"):
            need(isinstance(proof[part], list), "E-11", self.place, "not of its form")
        need(_texts(proof["directory"]), "E-11", self.place, "not of its form")
        if with_absent:
            some = _texts(proof["absent"]) and bool(proof["absent"])
            need(some, "E-11", self.place, "absent is not of its form")
        for d in proof["disclosed"]:
            exactly(d, "g tag count rows proof", "E-11", self.place)
            fits = natural(d["g"]) and natural(d["count"]) and _rows_of(d["rows"], natural, natural)
            fits = fits and isinstance(d["tag"], str) and _texts(d["proof"])
            need(fits, "E-11", self.place, "not of its form")
        for n in proof["neighbours"]:
            exactly(n, "g tag body", "E-11", self.place)
            fits = natural(n["g"]) and isinstance(n["tag"], str) and _hash(n["body"])
            need(fits, "E-11", self.place, "not of its form")
        return proof  # type: ignore[no-any-return]

    def _groups(self, proof: Json) -> None:
        place, groups = self.place, self.manifest["groups"]
        need(proof["groups"] == groups, "E-10", place, "groups is not that of the entry")
        for part in ("disclosed", "neighbours"):
            at = [group["g"] for group in proof[part]]
            need(at == sorted(set(at)), "E-10", place, "groups do not ascend")
            need(not at or at[-1] < groups, "E-10", place, "a group beyond the segment")
        both = sorted(proof["disclosed"] + proof["neighbours"], key=lambda group: group["g"])
        at = [group["g"] for group in both]
        need(len(set(at)) == len(at), "E-10", place, "a group stands twice")
        for d in proof["disclosed"]:
            last = -1
            for start, end in d["rows"]:
                need(last < start < end <= d["count"], "E-10", place, "ranges of rows are wrong")
                last = end
        for d in proof["disclosed"]:
            right = 0 < d["count"] < 1 << 32 and d["rows"]
            need(right, "E-15", place, "a group of so many rows, or of which none is shown")
        for group in both:
            need(text(group["tag"], r"[0-9a-f]{16}"), "E-15", place, "a tag is not 8 bytes")
        tags = [group["tag"] for group in both]
        need(tags == sorted(set(tags)), "E-15", place, "tags do not ascend")

    def _level(self, proof: Json) -> None:
        place, level = self.place, self.level
        if level == "C0":
            only = not proof["neighbours"] and "absent" not in proof
            need(only, "E-16", place, "neighbours or absent tags at C0")
            return
        for d in proof["disclosed"]:
            need(d["rows"] == [[0, d["count"]]], "E-16", place, "only a part of a group")
        groups = self.manifest["groups"]
        there = {group["g"] for group in proof["disclosed"] + proof["neighbours"]}
        beside = {g + by for g in (d["g"] for d in proof["disclosed"]) for by in (-1, 1)}
        wanted = {g for g in beside if 0 <= g < groups}
        need(wanted <= there, "E-15", place, "a neighbour is missing")
        wanted |= self._absent(proof, there)
        if level == "C2":
            need(len(there) == groups, "E-16", place, "not all groups are there")
        else:
            extra = {n["g"] for n in proof["neighbours"]} - wanted
            need(not extra, "E-15", place, "a neighbour of no group that is shown")

    def _absent(self, proof: Json, there: set[int]) -> set[int]:
        """Check the tags said to be absent; return the groups beside their places."""
        place, groups = self.place, self.manifest["groups"]
        if "absent" not in proof:
            return set()
        tags = proof["absent"]
        good = all(text(tag, r"[0-9a-f]{16}") for tag in tags)
        need(good and tags == sorted(set(tags)), "E-15", place, "absent tags are wrong")
        both = sorted((d["tag"], d["g"]) for d in proof["disclosed"] + proof["neighbours"])
        there_tags, places = [tag for tag, _ in both], [-1, *(g for _, g in both), groups]
        beside: set[int] = set()
        for tag in tags:  # tags ascend as groups do
            at = bisect.bisect_left(there_tags, tag)
            need(tag not in there_tags[at : at + 1], "E-15", place, "an absent tag is there")
            below, above = places[at], places[at + 1]
            need(above == below + 1, "E-15", place, "no adjacent groups around an absent tag")
            beside |= {g for g in (below, above) if 0 <= g < groups}
        return beside & there

    def _rows(self, proof: Json, schema: Schema) -> list[tuple[int, bytes]]:
        """Check all rows; return place and leaf data of the disclosed groups."""
        name = f"records/{self.id}.jsonl"
        lines = self.bundle.zip.lines(name) if name in self.bundle.zip.members else iter(())
        salts: list[bytes] = []
        subjects: set[str | None] = set()
        bodies: list[tuple[int, bytes]] = []
        for d in proof["disclosed"]:
            indices: list[int] = []  # grows with what is there, not with what is claimed
            leaves, before = [], None
            subject: Any = ()
            for r in (i for start, end in d["rows"] for i in range(start, end)):
                indices.append(r)
                line = next(lines, None)
                need(line is not None, "E-10", name, "a row is missing")
                place = f"{name}, group {d['g']}, row {r}"
                found, data = self._row(line or b"", schema, salts, place)
                need((found["g"], found["r"]) == (d["g"], r), "E-10", place, "not the row in turn")
                leaves.append(leaf(data))
                time = wide(found["row"]["time"], "E-12", place)
                need(before is None or before <= time, "E-15", place, "time goes back")
                whose = found["row"][schema.subject] if schema.subject else None
                same = subject == () or whose == subject
                need(same, "E-15", place, "two subjects in one group")
                before, subject = time, whose
            need(subject not in subjects, "E-15", name, "one subject in two groups")
            subjects.add(subject)
            rest = hashes(d["proof"], "E-10", self.place)
            root = partial_root(d["count"], indices, leaves, rest, self.place)
            body = sha256(b"\x02" + struct.pack(">I", d["count"]) + root)
            bodies.append((d["g"], bytes.fromhex(d["tag"]) + body))
        need(next(lines, None) is None, "E-10", name, "more rows than the proof has")
        need(len(set(salts)) == len(salts), "E-14", name, "a salt that stands twice")
        return bodies

    def _row(
        self, line: bytes, schema: Schema, salts: list[bytes], place: str
    ) -> tuple[Json, bytes]:
        found = parse(line[:-1], "E-11", place)
        names = {"g", "r", "row", "salt"}
        more = {"detail", "detail_salt", "detail_commit"}
        need(isinstance(found, dict), "E-11", place, "not a row")
        need(names <= set(found) <= names | more, "E-11", place, "members unknown or missing")
        need(natural(found["g"]) and natural(found["r"]), "E-11", place, "g and r are numbers")
        withheld = schema.log in self.bundle.manifest["withheld"]
        if not schema.detail:
            wanted: set[str] = set()
        else:
            wanted = {"detail_commit"} if withheld else {"detail", "detail_salt"}
        need(set(found) - names == wanted, "E-13", place, "other detail than is told")
        core = encode(schema.core, found["row"], place)
        data = self._salt(found["salt"], salts, place) + core
        for name in ("time", "received"):
            when = found["row"][name]
            fits = when is not None and wide(when, "E-12", place) < YEAR_2400
            need(fits, "E-12", place, f"{name} is null or beyond the year 2400")
        if withheld and schema.detail:
            data += unbase64(found["detail_commit"], "E-13", place, 32)
        elif schema.detail:
            salt = self._salt(found["detail_salt"], salts, place)
            data += sha256(b"\x03" + salt + encode(schema.detail, found["detail"], place))
        return found, data

    @staticmethod
    def _salt(value: Any, salts: list[bytes], place: str) -> bytes:
        salt = unbase64(value, "E-14", place, 16)
        salts.append(salt)
        return salt


def _same_csv(bundle: Bundle) -> bool:
    """Return whether `records.csv` is what the records, which are right by now, give."""
    columns: dict[str, str] = {}
    ids = sorted(bundle.manifest["completeness"])
    for id_ in ids:
        schema = bundle.schemas[bundle.segment_schema[id_]]
        for column, kind in schema.core + schema.detail:
            columns.setdefault(column, kind)
    member = bundle.zip.members["records.csv"]
    at = 0
    for line in _csv_lines(bundle, ids, columns):
        if bundle.zip.piece(member, at, len(line)) != line:
            return False
        at += len(line)
    return at == member.size


def _csv_lines(bundle: Bundle, ids: list[str], columns: dict[str, str]) -> Iterator[bytes]:
    header = ",".join(f'"{name}"' for name in ["segment", "g", "r", *columns])
    yield ("\ufeff" + header + "\r\n").encode()
    for id_ in ids:
        name = f"records/{id_}.jsonl"
        for line in bundle.zip.lines(name) if name in bundle.zip.members else ():
            found = json.loads(line)
            values = {**found["row"], **found.get("detail", {})}
            cells = [_cell(v, "") for v in (id_, found["g"], found["r"])]
            cells += [_cell(values.get(n), kind) for n, kind in columns.items()]
            yield (",".join(cells) + "\r\n").encode()


def _cell(value: Any, kind: str) -> str:
    if value is None:
        return ""
    words = {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)
    if kind in ("str", "bytes") and words[:1] in ("=", "+", "-", "@", "\t", "\r"):
        words = "'" + words
    return '"' + words.replace('"', '""') + '"'


# ------------------------------------------------------------------ the command


def verify(path: Path, policy: Policy) -> Result:
    """Check the bundle at a path.

    Raises:
        Fault: it is not valid, or could not be checked.
    """
    with path.open("rb") as file:
        return Bundle(Zip(file), policy).check()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    words = argparse.ArgumentParser(description="Checks an evidence bundle of Prathu, offline.")
    words.add_argument("bundle", type=Path, help="case-<id>.zip")
    words.add_argument("--policy", type=Path, help="C2SP tlog-policy, not from the bundle")
    words.add_argument("--json", action="store_true", help="the answer as JSON")
    asked = words.parse_args(arguments)
    try:
        policy = Policy(_words_of(asked.policy)) if asked.policy else None
        _plain(asked.bundle)
        asked.bundle.open("rb").close()
    except (OSError, ValueError) as error:
        print(f"verify_bundle: {_told(error)}", file=sys.stderr)
        return 2
    try:
        hint = "keys must come from outside the bundle: --policy FILE"
        result = verify(asked.bundle, given(policy, "E-06", "policy", hint))
    except Fault as fault:
        _say_invalid(fault, asked.json)
        return 1
    except OSError as error:
        print(f"verify_bundle: {_told(error)}", file=sys.stderr)
        return 2
    _say_valid(result, asked.json)
    return 0


def _plain(path: Path) -> None:
    """Fail where a file is none: nobody may ever write into a pipe, and a device has no end."""
    if stat.S_ISFIFO(path.stat().st_mode) or stat.S_ISCHR(path.stat().st_mode):
        raise ValueError(f"{path} is no plain file")


def _words_of(path: Path) -> str:
    _plain(path)
    with path.open("rb") as file:
        return file.read((4 << 20) + 1).decode("utf-8")  # longer ones the policy refuses


def _told(error: OSError | ValueError) -> str:
    if isinstance(error, OSError):
        return f"cannot read {error.filename}: {error.strerror}"
    return "the policy is not text" if isinstance(error, UnicodeDecodeError) else str(error)


_THAI = {
    "E-01": "ช่วงเวลาขาดตอนหรือทับซ้อนกัน",
    "E-02": "มีส่วนที่หายไป ถูกทำลายโดยมิชอบ หรือยังอยู่ทั้งที่ทำลายแล้ว",
    "E-03": "จุดตรวจไม่ได้ลงลายมือชื่อด้วยกุญแจที่ต้องใช้ ตรวจดูว่านโยบายตรงปีและตรงกล่อง",
    "E-04": "จุดตรวจสองจุดไม่ได้มาจากประวัติเดียวกัน หรือท้ายบัญชีถูกตัด",
    "E-05": "ลายมือชื่อของกุญแจที่รู้จักไม่ถูกต้อง หรือบันทึกลงชื่อไม่ถูกรูป",
    "E-06": "ตรวจไม่ได้ ต้องมีกุญแจจากภายนอก ขอนโยบายจากโรงเรียนหรือพยานทางอื่น",
    "E-07": "กุญแจหรือลายมือชื่อ Ed25519 อยู่ในรูปที่ไม่ยอมรับ",
    "E-08": "หลักฐานว่ารายการอยู่ในบัญชีไม่ถูกต้อง",
    "E-09": "หลักฐานว่าจุดตรวจสองจุดต่อเนื่องกันไม่ถูกรูปหรือผิดความยาว",
    "E-10": "หลักฐานบางส่วนมีลำดับหรือค่าแฮชขาด เกิน หรือสลับที่",
    "E-11": "เอกสารไม่ได้เขียนตามรูปแบบเดียวที่กำหนด",
    "E-12": "แถวหรือแบบของแถวไม่ตรงกับที่ผนึกไว้",
    "E-13": "รายละเอียดที่แจ้งว่าปิดไว้กลับแสดง หรือกลับกัน",
    "E-14": "ค่าสุ่มของแถวไม่ครบ 16 ไบต์ หรือซ้ำ",
    "E-15": "กลุ่มแถวไม่เรียง ขาดกลุ่มข้างเคียง หรือปนกันหลายคน",
    "E-16": "อ้างความครบถ้วนมากกว่าที่แสดง",
    "E-17": "จำนวนหรือค่าต่ำสุดสูงสุดขัดกันเอง",
    "E-18": "ตราประทับเวลาใช้ไม่ได้",
    "E-19": "ลายมือชื่อของพยานเป็นไปไม่ได้ หรือพยานลงชื่อไม่ครบตามนโยบาย",
    "E-20": "ลายมือชื่อ ML-DSA ที่นโยบายขอไม่มี ผิด หรือโปรแกรมนี้ตรวจไม่ได้",
    "E-21": "แฟ้ม ZIP หรือรายชื่อแฟ้มข้างในไม่ตรงตามที่กำหนด อาจเสียระหว่างทาง",
    "E-22": "บัญชีของต่างปีหรือต่างแห่งไม่ต่อกัน",
    "E-23": "ไม่บอกสภาพนาฬิกา เวลาย้อนกลับโดยไม่แจ้ง หรือใช้ปีพุทธศักราช",
    "E-24": "กุญแจ ป้าย ค่าสุ่ม หรือลำดับของส่วน ไม่ตรงกับที่ผูกไว้",
    "E-25": "มีไบต์ถูกแก้ ไม่ตรงกับค่าแฮชที่ลงชื่อหรือแสดงรายการไว้",
}
"""What each number means (evidence format, section 11), in Thai."""


def _say_invalid(fault: Fault, as_json: bool) -> None:
    if as_json:
        told = {"number": fault.number, "place": fault.place, "words": fault.words}
        print(json.dumps({"valid": False, **told}, ensure_ascii=False))
    else:
        unchecked = fault.number == "E-06"
        print(f"{'NOT CHECKED / ตรวจไม่ได้' if unchecked else 'INVALID / ไม่ถูกต้อง'}  {fault}")
        print(f"  {fault.number}: {_THAI[fault.number]}")
        print("  the numbers are explained in docs/evidence-format.md, section 11")


_LEVELS = {
    "C0": "  แถวเหล่านี้ ไม่ใช่ทั้งหมด / these rows, never all",
    "C1": "  ทุกแถวของบุคคลนี้ตามที่ผนึก / all rows of this person, as sealed",
    "C2": "  ทุกแถว และเห็นทุกกลุ่ม / all rows, every group seen",
}


def _say_valid(result: Result, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"valid": True, **result._asdict()}, ensure_ascii=False))
        return
    print(f"VALID / ถูกต้อง  case {result.case} of {result.site}, {result.rows} rows")
    for id_, told in result.segments.items():
        print(f"  {id_}: {told}{_LEVELS.get(told[-2:], '')}")
    for notice in result.notices:
        print(f"  note: {notice}")


if __name__ == "__main__":
    for stream in (sys.stdout, sys.stderr):  # a console that has no Thai shows escapes
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        status = main()
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read the answer has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        status = 1
    sys.exit(status)
