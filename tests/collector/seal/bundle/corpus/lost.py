"""What two people declared lost, and what only looks like it."""

from __future__ import annotations

from typing import Any

from tests.collector.seal.bundle.corpus.course import _withdraw
from tests.collector.seal.bundle.corpus.faults import fault, segment
from tests.collector.seal.bundle.forge import Forge


def _lost(forge: Forge, **changed: Any) -> None:
    """Say of a segment that it is lost, and show it no more."""
    _withdraw(forge, 0)
    forge.book.add(
        {
            "type": "lost",
            "segments": [["demo", 0, segment(forge, 0)["root"]]],
            "cause": "disk",
            "reason_commit": "11" * 32,
            "approvals": ["a", "b"],
            **changed,
        }
    )
    forge.resign()


@fault("valid")
def _a_segment_declared_lost(forge: Forge) -> None:
    _lost(forge)


@fault("E-11")
def _lost_by_the_word_of_one(forge: Forge) -> None:
    _lost(forge, approvals=["a"])


@fault("E-11")
def _lost_by_the_word_of_one_who_signs_twice(forge: Forge) -> None:
    _lost(forge, approvals=["a", "a"])


@fault("E-11")
def _lost_by_the_word_of_three(forge: Forge) -> None:
    _lost(forge, approvals=["a", "b", "c"])


@fault("E-11")
def _lost_by_the_word_of_nobody(forge: Forge) -> None:
    _lost(forge, approvals=[])


@fault("E-11")
def _lost_by_who_has_no_id(forge: Forge) -> None:
    _lost(forge, approvals=["a", ["b"]])


@fault("E-11")
def _lost_with_a_cause_that_is_no_word(forge: Forge) -> None:
    _lost(forge, cause="The disk\n\x1b[2J")


@fault("E-11")
def _lost_for_a_reason_that_is_told(forge: Forge) -> None:
    _lost(forge, reason_commit="the disk")


@fault("E-11")
def _lost_segments_that_are_no_list(forge: Forge) -> None:
    _lost(forge, segments={"demo": 0})


@fault("E-11")
def _lost_segments_of_two_members(forge: Forge) -> None:
    _lost(forge, segments=[["demo", 0]])


@fault("E-11")
def _lost_with_a_negative_seq(forge: Forge) -> None:
    _lost(forge, segments=[["demo", -1, "00" * 32]])


@fault("E-11")
def _lost_with_a_root_that_is_none(forge: Forge) -> None:
    _lost(forge, segments=[["demo", 0, None]])


@fault("E-11")
def _lost_with_a_member_too_many(forge: Forge) -> None:
    _lost(forge, second="b")
