"""Account and person names: one spelling of each, whatever keyboard it came from."""

from __future__ import annotations

import re
import unicodedata

MAX_ACCOUNT = 253
"""Characters of an account name: as many as RADIUS can carry octets."""
MAX_FULL_NAME = 200
_MAC = re.compile(r"[0-9A-Fa-f]{12}")
_NO_MARKS = str.maketrans("", "", "-:.")
# Sara am typed as two characters, a tone mark perhaps between them.
_TWO_PART_AM = re.compile("\u0e4d([\u0e48-\u0e4b]?)\u0e32")
# Letters of Greek and Cyrillic look like Latin ones; no word has both.
_MIXED = re.compile("[A-Za-z]\\w*[\u0370-\u052f]|[\u0370-\u052f]\\w*[A-Za-z]")
_THAI_DIGITS = str.maketrans("๐๑๒๓๔๕๖๗๘๙", "0123456789")


def clean(text: str) -> str:
    """Return `text` in NFC, without spaces at its ends, single ones inside, and sara am as one.

    What nobody sees goes: two names that look the same are the same, and no mark turns the rest of
    a line round. Word processors put zero-width spaces between Thai words.
    """
    if text.isascii():
        return " ".join(text.split())
    seen = "".join(letter for letter in text if unicodedata.category(letter) != "Cf")
    one = _TWO_PART_AM.sub("\\1\u0e33", unicodedata.normalize("NFC", seen))
    return " ".join(one.split())


def digits(text: str) -> str:
    """Return `text` with Thai digits as Arabic ones."""
    return text.translate(_THAI_DIGITS)


def number(text: str, most: int) -> int | None:
    """Return the whole number from 1 to `most` that somebody typed; None: it is none."""
    plain = digits(text).strip().lstrip("0")
    # Python reads no more than 4,300 digits, and takes time for them.
    if not plain.isdecimal() or len(plain) > len(str(most)):
        return None
    return int(plain) if 1 <= int(plain) <= most else None


def folded(account: str) -> str:
    """Return the form in which two spellings of an account name are the same."""
    form = unicodedata.normalize("NFC", clean(account).casefold())
    # What no database takes is in no name (`fault`), but somebody may ask for it.
    return form.encode("utf-8", "replace").decode("utf-8").replace("\x00", "\ufffd")


def fault(account: str) -> str:
    """Return what is wrong with an account name, or nothing."""
    if not account:
        return "the account name is empty"
    if len(account) > MAX_ACCOUNT:
        return f"the account name is longer than {MAX_ACCOUNT} characters"
    if any(unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") for letter in account):
        return "the account name holds a control character"
    if _MIXED.search(account):
        return "the account name mixes letters of two scripts that look the same"
    return ""


def mac(text: str) -> str:
    """Return a MAC in lower case with colons, from any usual spelling; empty when it is none.

    `02-AA-00-00-00-01:school`, as access points write Called-Station-Id, gives its MAC.
    """
    head = text.strip()
    if len(head) > 17 and head[17] == ":":
        head = head[:17]
    digits = head.translate(_NO_MARKS)
    if not _MAC.fullmatch(digits):
        return ""
    pairs = digits.lower()
    return ":".join(pairs[i : i + 2] for i in range(0, 12, 2))
