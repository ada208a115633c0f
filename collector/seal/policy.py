"""Whom a verifier believes: a C2SP tlog-policy, always from outside of what is checked."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from collector.seal import mldsa, note
from collector.seal.fault import Refused
from collector.seal.note import VKey

NONE = "none"
MOST_BYTES = 1 << 20
MOST_NAMES = 256
_SPACE = re.compile(r"[ \t]+")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Group:
    """Members of whom so many must have cosigned."""

    least: int
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Known logs, known witnesses, and which of these must have cosigned."""

    logs: tuple[VKey, ...] = ()
    witnesses: Mapping[str, VKey] = field(default_factory=dict)
    groups: Mapping[str, Group] = field(default_factory=dict)
    quorum: str = NONE

    def met(self, cosigned: Collection[bytes]) -> bool:
        """Say whether witnesses with these public keys are a quorum."""
        return self.quorum == NONE or self._holds(self.quorum, frozenset(cosigned))

    def _holds(self, name: str, cosigned: frozenset[bytes]) -> bool:
        if name in self.witnesses:
            return self.witnesses[name].public in cosigned
        group = self.groups[name]
        return sum(self._holds(member, cosigned) for member in group.members) >= group.least


def parse(text: str) -> Policy:
    """Return the policy in a file.

    Raises:
        Refused: E-05, a line that is not understood; E-20 or E-19, a key that cannot be checked or
            a quorum that cannot be.
    """
    text = text.replace("\r\n", "\n")  # a line ends so where Windows wrote it
    if len(text) > MOST_BYTES or _CONTROL.search(text):
        raise Refused("E-05", "a policy is text of at most 1 MiB, without control characters")
    reading = _Reading()
    for number, line in enumerate(text.split("\n"), 1):
        words = [word for word in _SPACE.split(line) if word]
        if words and not words[0].startswith("#"):
            try:
                reading.take(words)
            except Refused as refused:
                raise Refused(refused.number, f"line {number} of the policy: {refused}") from None
    return reading.done()


class _Reading:
    """A policy, line by line: what a line names stands above it."""

    def __init__(self) -> None:
        self._logs: list[VKey] = []
        self._witnesses: dict[str, VKey] = {}
        self._groups: dict[str, Group] = {}
        self._members: set[str] = set()
        self._quorum: str | None = None

    def take(self, words: list[str]) -> None:
        kind, count = words[0], len(words)
        if kind == "log" and count in (2, 3):
            self._log(note.parse_vkey(words[1]))
        elif kind == "witness" and count in (3, 4):
            self._witness(words[1], note.parse_vkey(words[2]))
        elif kind == "group" and count >= 4:
            self._group(words[1], words[2], tuple(words[3:]))
        elif kind == "quorum" and count == 2 and self._quorum is None:
            self._quorum = words[1] if words[1] == NONE else self._known(words[1])
        else:
            raise Refused("E-05", f"not understood: {' '.join(words)[:80]!r}")

    def done(self) -> Policy:
        """Return what was read."""
        if self._quorum is None:
            raise Refused("E-19", "the policy has no line `quorum`; `quorum none` asks for nobody")
        return Policy(
            logs=tuple(self._logs),
            witnesses=self._witnesses,
            groups=self._groups,
            quorum=self._quorum,
        )

    def _log(self, key: VKey) -> None:
        if key.kind == note.ML_DSA_44 and not mldsa.AVAILABLE:
            raise Refused("E-20", "this program's library cannot check ML-DSA lines")
        if key.kind not in (note.ED25519, note.ML_DSA_44):
            raise Refused("E-05", f"{key.name} is not the key of a log")
        if key.public in [known.public for known in self._logs]:
            raise Refused("E-05", f"the key of {key.name} stands there twice")
        self._logs.append(key)

    def _witness(self, name: str, key: VKey) -> None:
        if key.kind not in (note.COSIGNATURE, note.ML_DSA_44):
            raise Refused("E-19", f"{key.name} is not the key of a witness")
        if key.public in [known.public for known in self._witnesses.values()]:
            raise Refused("E-19", f"the key of the witness {name} stands there twice")
        self._witnesses[self._fresh(name)] = key

    def _group(self, name: str, least: str, members: tuple[str, ...]) -> None:
        number = {"any": 1, "all": len(members)}.get(least)
        if number is None:
            number = int(least) if re.fullmatch(r"[1-9][0-9]{0,3}", least) else 0
        if not 1 <= number <= len(members):
            raise Refused("E-19", f"{least} of {len(members)} members cannot be")
        for member in members:
            if self._known(member) in self._members:
                raise Refused("E-19", f"{member} is a member twice")
            self._members.add(member)
        self._groups[self._fresh(name)] = Group(number, members)

    def _fresh(self, name: str) -> str:
        if name == NONE or name in self._witnesses or name in self._groups:
            raise Refused("E-19", f"the name {name} stands for something else already")
        if len(self._witnesses) + len(self._groups) >= MOST_NAMES:
            raise Refused("E-19", f"more than {MOST_NAMES} witnesses and groups")
        return name

    def _known(self, name: str) -> str:
        if name not in self._witnesses and name not in self._groups:
            raise Refused("E-19", f"no witness or group {name} stands above")
        return name
