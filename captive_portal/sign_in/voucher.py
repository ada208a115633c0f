"""Signing in with a voucher: its code stands where others type their account name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

from captive_portal.errors import PortalError, Refused
from captive_portal.people import vouchers
from captive_portal.people.accounts import Account
from captive_portal.people.vouchers import NoVoucher, Vouchers
from captive_portal.sign_in.way import Attempt, NameWanted, Unknown, WayWord
from captive_portal.sign_in.workers import Workers
from collector.records import Clock, time_of

WAITING = 64


class VoucherWay:
    """The vouchers of a site. Used from one event loop."""

    name = WayWord.VOUCHER.value
    locks_after = 0

    def __init__(self, table: Vouchers, *, clock: Clock) -> None:
        self._vouchers = table
        self._clock = clock
        self._workers = Workers("voucher", threads=1, waiting=WAITING)

    def __enter__(self) -> Self:
        self._workers.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._workers.__exit__()

    def standing(self) -> Mapping[str, object]:
        """Return nothing: it is always there."""
        return {}

    async def check(self, attempt: Attempt) -> Account:
        """Return the guest whose voucher it is; a password beside it is not read.

        Raises:
            As `Way` says; a name that is not fit is asked for again.
        """
        if not _like_a_code(attempt.account):
            raise Unknown("no code of a voucher")
        return await self._workers.run(self._use, attempt)

    def _use(self, attempt: Attempt) -> Account:
        now = time_of(self._clock)
        try:
            return self._vouchers.use(attempt.site, attempt.account, attempt.guest, now)
        except NoVoucher:
            raise Unknown("no such voucher") from None
        except Refused:
            raise
        except PortalError as error:
            raise NameWanted(str(error)) from error


def _like_a_code(typed: str) -> bool:
    """Say whether this could be a code; what cannot be is not looked for."""
    if len(typed) > 4 * vouchers.LENGTH:
        return False
    code = vouchers.plain(typed)
    return len(code) == vouchers.LENGTH and set(code) <= set(vouchers.SIGNS)
