"""Whether somebody is let in: by their proof, then by what their group may do. Pure.

The reason is for the log and the counts; what goes on the air is one of a few sentences.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from captive_portal.people.accounts import Kind
from captive_portal.radius import texts
from captive_portal.radius.book import Standing
from captive_portal.radius.login import Chap, Login, MsChap2, Pap
from captive_portal.radius.replies import Allowed
from captive_portal.sessions.policy import Reason

WRONG = "wrong-password"
NOBODY = "unknown-account"
_LOCALLY_ADMINISTERED = 0x02
_NO_OWNERS = {Kind.PUPIL: "mac-of-a-pupil", Kind.SHADOW: "mac-of-nobody-known"}
_SENTENCES = {
    Reason.HOURS: texts.HOURS,
    Reason.QUOTA_DAY: texts.QUOTA,
    Reason.QUOTA_MONTH: texts.QUOTA,
    Reason.QUOTA_MINUTES: texts.QUOTA,
    Reason.DEVICES: texts.DEVICES,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Let in, or not and why."""

    standing: Standing | None = None
    reason: str = ""
    """Empty: let in."""
    sentence: str = texts.CREDENTIALS
    success: bytes = b""
    """MS-CHAP2-Success."""
    notice: str = ""
    """The version of the privacy notice that they were shown; empty: none here."""

    @property
    def accepted(self) -> bool:
        """Whether they are let in."""
        return not self.reason


def refused(reason: str, standing: Standing | None = None) -> Verdict:
    """Return a no that says on the air only that the proof was not right."""
    return Verdict(reason=reason, standing=standing)


def needs_password(login: Login) -> bool:
    """Say whether a password as typed is to be looked at, which takes its time."""
    return bool(login.user) and not login.device and isinstance(login.credential, Pap)


def judge(login: Login, standing: Standing | None, now: datetime, *, random_macs: bool) -> Verdict:
    """Return the verdict on whoever has not to be asked about a password as typed.

    Args:
        login: The try.
        standing: What is known of the person, or of the device's owner.
        now: The time.
        random_macs: Devices with a MAC that is not their maker's may sign in by it.
    """
    if not login.user:
        return refused("no-name")
    if login.device:
        wrong = _device_fault(login, standing, random_macs=random_macs)
        return refused(wrong, standing) if wrong else allow(login, standing, now)
    wrong = _unfit(login, standing)
    if wrong or standing is None or standing.nt_hash is None:
        return refused(wrong or NOBODY, standing)
    success = isinstance(login.credential, MsChap2) and login.credential.success(
        standing.nt_hash, login.user_octets
    )
    if not success:
        return refused(WRONG, standing)
    return allow(login, standing, now, success=success)


def _unfit(login: Login, standing: Standing | None) -> str:
    """Return why a proof cannot be looked at."""
    if isinstance(login.credential, Chap):
        return "chap-needs-a-clear-password"
    if not isinstance(login.credential, MsChap2):
        return login.refused or "no-credential"
    return unhashed(standing) if standing is not None and standing.nt_hash is None else ""


def unhashed(standing: Standing) -> str:
    """Return why MSCHAPv2 cannot be looked at for somebody (R-14)."""
    # Only that directory knows the password, and it takes none but as typed.
    outside = standing.account.source
    return "mschap-account-of-a-directory" if outside else "mschap-needs-an-nt-hash"


def _device_fault(login: Login, standing: Standing | None, *, random_macs: bool) -> str:
    """Return why a device is not let in by its MAC (R-15)."""
    random = bool(int(login.device[:2], 16) & _LOCALLY_ADMINISTERED)
    if login.mac != login.device:
        # Else somebody types the MAC of a printer as a name.
        return "mac-of-another-device"
    if random and not random_macs:
        return "mac-of-no-maker"
    if standing is None:
        return "mac-not-listed"
    if standing.account.kind in _NO_OWNERS:
        return _NO_OWNERS[standing.account.kind]
    chap = login.credential
    return WRONG if isinstance(chap, Chap) and not _told_mac(chap, login.user) else ""


def _told_mac(chap: Chap, user: str) -> bool:
    return chap.proves(user.encode()) or chap.proves(b"")


def allow(
    login: Login, standing: Standing | None, now: datetime, *, success: bytes = b""
) -> Verdict:
    """Return the verdict on somebody who has proven who they are."""
    if standing is None:
        return refused(NOBODY)
    account = standing.account
    if account.closed(now):
        return refused("account-closed", standing)
    if account.must_change and not login.device:
        return Verdict(
            standing=standing, reason="password-to-be-changed", sentence=texts.PASSWORD_CHANGE
        )
    barred = standing.terms.grant.refused
    if barred is None and standing.full:
        barred = Reason.DEVICES
    if barred is not None:
        return Verdict(
            standing=standing,
            reason=str(barred),
            sentence=_SENTENCES.get(barred, texts.CREDENTIALS),
        )
    if wrong := _place_fault(login, standing):
        return Verdict(standing=standing, reason=wrong, sentence=texts.PLACE)
    return Verdict(standing=standing, success=success)


def _place_fault(login: Login, standing: Standing) -> str:
    networks = standing.group.ssids
    if not networks:
        return ""
    if login.wired:
        return "wrong-port-type"
    return "" if login.ssid in networks else "wrong-network"


def allowed(standing: Standing) -> Allowed:
    """Return what a NAS is told of what somebody may do."""
    granted = standing.terms.grant
    return Allowed(
        until=granted.until,
        idle=granted.idle,
        up_kbit=granted.up_kbit,
        down_kbit=granted.down_kbit,
        left_bytes=granted.left_bytes,
        slows=granted.slows,
        slow=granted.slow,
        vlan=standing.group.vlan,
        group=standing.group.name,
    )
