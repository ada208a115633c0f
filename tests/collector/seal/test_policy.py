"""Policies (C2SP tlog-policy): what is understood, what is refused, when a quorum is met."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.seal import policy
from collector.seal.fault import Refused
from collector.seal.note import SigningKey
from collector.seal.policy import Policy
from collector.seal.witness import Cosigner

LOG = SigningKey("school.example.ac.th/ledger/2027", bytes([9]) * 32).vkey
KEYS = {
    name: Cosigner(f"w.example/{name}", bytes([n]) * 32).vkey
    for n, name in enumerate(("X1", "X2", "X3", "Y1", "Y2", "Y3"))
}
WITNESSES = "".join(f"witness {name} {key.text}\n" for name, key in KEYS.items())
NESTED = (
    f"# a school\n\n  log {LOG.text} https://school.example.ac.th/\n{WITNESSES}"
    "group X-witnesses 2 X1 X2 X3\ngroup\tY-witnesses any Y1 Y2 Y3\n"
    "group X-and-Y all X-witnesses Y-witnesses\nquorum X-and-Y\n"
)


def met(read: Policy, *names: str) -> bool:
    return read.met([KEYS[name].public for name in names])


def test_the_example_of_the_specification_is_understood() -> None:
    read = policy.parse(NESTED)
    assert read.logs == (LOG,)
    for count in range(7):
        for names in itertools.combinations(KEYS, count):
            xs, ys = (sum(name.startswith(c) for name in names) for c in "XY")
            assert met(read, *names) is (xs >= 2 and ys >= 1), names


def test_quorum_none_asks_for_nobody_and_one_name_for_that_witness() -> None:
    assert met(policy.parse(f"log {LOG.text}\nquorum none\n"))
    one = policy.parse(f"{WITNESSES}quorum Y2")
    assert met(one, "Y2")
    assert not met(one, "Y1", "X1")


def test_one_key_counts_once() -> None:
    read = policy.parse(f"{WITNESSES}group both 2 X1 X2\nquorum both\n")
    assert not read.met([KEYS["X1"].public, KEYS["X1"].public])


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("", "E-19"),
        (f"log {LOG.text}\n", "E-19"),
        ("quorum none\nquorum none\n", "E-05"),
        ("quorum nobody\n", "E-19"),
        (f"quorum X1\n{WITNESSES}", "E-19"),
        (f"log {LOG.text}\nlog {LOG.text}\nquorum none", "E-05"),
        (f"log {KEYS['X1'].text}\nquorum none", "E-05"),
        (f"log {LOG.text[:-1]}\nquorum none", "E-05"),
        (f"witness A {LOG.text}\nquorum none", "E-19"),
        (f"{WITNESSES}witness Z {KEYS['X1'].text}\nquorum none", "E-19"),
        (f"{WITNESSES}witness X1 {Cosigner('n', bytes(31) + b'1').vkey.text}\nquorum X1", "E-19"),
        (f"{WITNESSES}group none any X1\nquorum none", "E-19"),
        (f"{WITNESSES}group g any none\nquorum none", "E-19"),
        (f"{WITNESSES}group g 3 X1 X2\nquorum g", "E-19"),
        (f"{WITNESSES}group g 0 X1 X2\nquorum g", "E-19"),
        (f"{WITNESSES}group g 01 X1 X2\nquorum g", "E-19"),
        (f"{WITNESSES}group g any X1 X1\nquorum g", "E-19"),
        (f"{WITNESSES}group g any X1\ngroup h any X1\nquorum g", "E-19"),
        (f"{WITNESSES}group g any g\nquorum g", "E-19"),
        (f"{WITNESSES}group g any\nquorum g", "E-05"),
        ("trust everybody\nquorum none", "E-05"),
        ("quorum none\r", "E-05"),
        ("# \x00\nquorum none", "E-05"),
        ("quorum\u00a0none", "E-05"),
    ],
)
def test_what_cannot_be_is_refused_with_its_number(text: str, number: str) -> None:
    with pytest.raises(Refused) as fault:
        policy.parse(text)
    assert fault.value.number == number


_words = st.sampled_from(
    [
        *("log", "witness", "group", "quorum", "none", "any", "all", "2", "#", "X1", "X2", "g"),
        *(LOG.text, KEYS["X1"].text, KEYS["X2"].text, "\t", "\n", "é"),
    ]
)


@given(st.one_of(st.text(max_size=200), st.lists(_words, max_size=40).map(" ".join)))
def test_any_text_is_a_policy_or_refused(text: str) -> None:
    try:
        read = policy.parse(text)
    except Refused:
        return
    assert isinstance(read.met([key.public for key in KEYS.values()]), bool)
