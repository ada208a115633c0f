"""Passwords: Argon2id, with the cost by who it is, and one-time passwords one can read aloud."""

from __future__ import annotations

import secrets
import unicodedata
from enum import StrEnum

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError

from captive_portal.errors import Unfit
from captive_portal.people import poor_passwords

MIN_LENGTH = 8
MAX_LENGTH = 256
"""Characters; more is refused before any work is done on it."""

# OWASP's least profile: a class of forty signs in within two seconds on a small box.
_EVERYBODY = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1, type=Type.ID)
_STAFF = PasswordHasher(time_cost=3, memory_cost=64 * 1024, parallelism=1, type=Type.ID)
# Letters and digits that nobody confuses on paper.
_READABLE = "abcdefghjkmnpqrstuvwxyz23456789"
_NOBODY = _EVERYBODY.hash(secrets.token_hex(16))


def _prepared(password: str) -> str:
    return unicodedata.normalize("NFC", password)


class Fault(StrEnum):
    """What may be wrong with a new password, as the command line says it."""

    SHORT = f"the password is shorter than {MIN_LENGTH} characters"
    LONG = f"the password is longer than {MAX_LENGTH} characters"
    COMMON = "the password is one of those that everybody tries first"
    OWN_NAME = "the password is the account's own name"
    SAME = "the password is the one that they have already"


class NotFit(Unfit):
    """A password that nobody may choose."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.value, hint="choose another")
        self.fault = fault


def fault(password: str, *, account: str = "") -> Fault | None:
    """Return what is wrong with a new password for an account, or None."""
    plain = _prepared(password)
    if len(plain) < MIN_LENGTH:
        return Fault.SHORT
    if len(password) > MAX_LENGTH:
        return Fault.LONG
    if poor_passwords.names_account(plain, account):
        return Fault.OWN_NAME
    return Fault.COMMON if poor_passwords.common(plain) else None


def same(password: str, stored: str | None) -> bool:
    """Say whether `password` is the one, to somebody who has proven to know that one."""
    if stored is None or len(password) > MAX_LENGTH:
        return False
    try:
        return _EVERYBODY.verify(stored, _prepared(password))
    except (VerificationError, InvalidHashError):
        return False


def hashed(password: str, *, staff: bool) -> str:
    """Return the Argon2id hash of a password that is fit (`fault`)."""
    return (_STAFF if staff else _EVERYBODY).hash(_prepared(password))


def matches(password: str, stored: str | None) -> bool:
    """Say whether `password` is the one.

    A no costs what a pupil's and a member of staff's hash cost together, whoever is asked about:
    how long it takes must not tell who is staff, nor who is known. A yes costs its own hash only.
    """
    if len(password) > MAX_LENGTH:
        password, stored = "", None
    try:
        _EVERYBODY.verify(stored or _NOBODY, _prepared(password))
    except (VerificationError, InvalidHashError):
        (_EVERYBODY if _costs_most(stored or _NOBODY) else _STAFF).hash(_prepared(password))
        return False
    return stored is not None


def _costs_most(stored: str) -> bool:
    """Say by the hash, as a change of kind is not in it before the next sign-in."""
    try:
        return not _STAFF.check_needs_rehash(stored)
    except InvalidHashError:
        return False


def outdated(stored: str, *, staff: bool) -> bool:
    """Say whether the hash was made with other costs than a new one would be."""
    return (_STAFF if staff else _EVERYBODY).check_needs_rehash(stored)


def one_time() -> str:
    """Return a random password of 60 bits in three groups, to be changed at first use."""
    return "-".join("".join(secrets.choice(_READABLE) for _ in range(4)) for _ in range(3))
