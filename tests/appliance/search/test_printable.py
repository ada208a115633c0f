"""What a stranger wrote into the log only shows on a terminal."""

from __future__ import annotations

import json
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from appliance.search.printable import json_line, printable, printable_lines

OBEYED = {"Cc", "Zl", "Zp", "Cs"}
TURNS = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


def obeyed(text: str) -> list[str]:
    return [sign for sign in text if unicodedata.category(sign) in OBEYED or sign in TURNS]


def test_escape_sequences_and_lines_become_visible() -> None:
    assert (
        printable("\x1b]0;owned\x07\x9b31m\n<13>forged") == r"\x1b]0;owned\x07\x9b31m\n<13>forged"
    )
    assert printable("a\u202etxt.exe") == r"a\u202etxt.exe"


def test_thai_stays_as_it_is() -> None:
    assert printable("สมชาย ใจดี ก\u200bข") == "สมชาย ใจดี ก\u200bข"


@given(st.text(st.characters()))
def test_nothing_is_left_that_a_terminal_obeys(text: str) -> None:
    assert not obeyed(printable(text))
    assert set(obeyed(printable_lines(text))) <= {"\n", "\t"}


@given(st.text(st.characters()))
def test_json_says_the_same_on_one_line(text: str) -> None:
    line = json_line({"raw": text})
    assert not obeyed(line)
    assert json.loads(line) == {"raw": text}
