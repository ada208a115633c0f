"""Whose words a line's are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.decode.syslog.program import own_words


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("<30>Nov 22 15:00:00 gw dnsmasq[7]: query[A] a: b", ("dnsmasq", "query[A] a: b")),
        ("<30>1 2026-11-22T15:00:00Z gw dnsmasq 7 - - a: b", ("dnsmasq", "a: b")),
        ("dnsmasq[7]: a: b\n", ("dnsmasq", "a: b")),
        ("<30>dnsmasq: a", ("dnsmasq", "a")),
        ("login failure for user dnsmasq: a", ("", "login failure for user dnsmasq: a")),
        ("sshd[9]: user dnsmasq: a", ("sshd", "user dnsmasq: a")),
        ("", ("", "")),
    ],
)
def test_a_program_stands_before_its_words(line: str, wanted: tuple[str, str]) -> None:
    assert own_words(line) == wanted


@given(st.text(max_size=200))
def test_any_line_is_somebodys_words(line: str) -> None:
    program, message = own_words(line)
    assert program in line
    assert line.rstrip("\r\n\0").endswith(message)
