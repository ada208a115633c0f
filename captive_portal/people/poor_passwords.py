"""Passwords that are tried first, by whoever tries any (NIST SP 800-63B-4, 3.1.1.2).

A short list of words and a few shapes, no dictionary: it keeps away what everybody would try within
the few tries that the throttle leaves them.
"""

from __future__ import annotations

import re
from itertools import pairwise

WORDS = frozenset(
    (
        *("password", "passw0rd", "p@ssword", "p@ssw0rd", "passcode", "changeme", "letmein"),
        *("welcome", "admin", "administrator", "root", "user", "guest", "test", "default"),
        *("iloveyou", "sunshine", "princess", "football", "superman", "monkey", "dragon"),
        *("internet", "computer", "network", "wifi", "login", "secret", "prathu"),
        *("thailand", "bangkok", "school", "student", "teacher", "sawasdee"),
        *("โรงเรียน", "นักเรียน", "ประเทศไทย", "กรุงเทพ", "อินเทอร์เน็ต", "สวัสดี", "คิดถึง"),
    )
)
"""In lower case; a few digits or signs before and behind them change nothing."""
AROUND = 4
"""So many signs around such a word."""
_ROWS = (
    *("01234567890", "qwertyuiop[]", "asdfghjkl;'", "zxcvbnm,./", "ภถุึคตจขช"),
    *(
        "1qaz2wsx3edc4rfv5tgb6yhn7ujm",
        "1q2w3e4r5t6y7u8i9o0p",
        "qazwsxedcrfvtgbyhnujm",
        "q1w2e3r4t5y6u7i8o9p0",
    ),
    *("ๆไำพะัีรนยบล", "ฟหกดเ้่าสวง", "ผปแอิืทมใฝ"),
)
"""Keys that stand next to one another, on both keyboards of the country."""
_BOTH_WAYS = (*_ROWS, *(row[::-1] for row in _ROWS))
_LEAST_ROW = 4
_FEW_SIGNS = 2
_REPEATED = re.compile(r"(.{1,4}?)\1+", re.DOTALL)


def common(password: str) -> bool:
    """Say whether a password is one of those that are tried first."""
    text = password.casefold()
    return (
        len(set(text)) <= _FEW_SIGNS
        or _repeats(text)
        or _counts(text)
        or _along_keys(text)
        or any(word in text and len(text) - len(word) <= AROUND for word in WORDS)
    )


def names_account(password: str, account: str) -> bool:
    """Say whether a password is little else than the name of its account."""
    text, name = password.casefold(), account.casefold()
    if len(name) < 3 or name not in text:
        return text == name
    rest = text.replace(name, "")
    return len(rest) <= AROUND or common(rest)


def _repeats(text: str) -> bool:
    """Say whether it is one sign or a few again and again: 11111111, abcabcabc, 12341234."""
    whole = _REPEATED.match(text)
    return whole is not None and len(text) - whole.end() < len(whole[1])


def _counts(text: str) -> bool:
    """Say whether each sign follows the one before it: 12345678, hgfedcba."""
    steps = {ord(after) - ord(before) for before, after in pairwise(text)}
    return steps in ({1}, {-1})


def _along_keys(text: str) -> bool:
    """Say whether it goes along rows of keys, in parts of four or more: qwer1234."""
    while len(text) >= _LEAST_ROW:
        size = max(_run(text, row) for row in _BOTH_WAYS)
        if size < _LEAST_ROW:
            return False
        text = text[size:]
    return True


def _run(text: str, row: str) -> int:
    """Return how many signs at the beginning of a text stand so in a row of keys."""
    most = min(len(text), len(row))
    return next((size for size in range(most, 0, -1) if text[:size] in row), 0)
