"""The words on the pages, Thai first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from captive_portal.errors import Denied
from captive_portal.people import dates
from captive_portal.people.passwords import Fault

_WHOLE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Texts:
    """Every sentence of the sign-in side, in one language."""

    lang: str
    other_lang: str
    other_name: str
    title: str
    account: str
    password: str
    sign_in: str
    sign_out: str
    signed_in_as: str
    signed_in: str
    signed_out: str
    may_close: str
    until: str
    address: str
    another: str
    to_session: str
    back: str
    refused: str
    unsure: str
    code_wrong: str
    """A voucher's code is none, or the voucher is over."""
    voucher_title: str
    voucher: str
    guest: str
    guest_wanted: str
    provider: str
    """On a button; `{name}` is the provider's."""
    provider_browser: str
    """For windows of captive portals, which providers refuse; `{address}` is the page's."""
    provider_refused: str
    provider_silent: str
    too_often: str
    busy: str
    not_now: str
    stale: str
    elsewhere: str
    not_here: str
    not_found: str
    start_again: str
    too_much: str
    opens: str
    """`{begin}` and `{end}` of the next hours."""
    denials: Mapping[str, str]
    ends: Mapping[str, str]
    """Of causes of ends, what a device that was on reads next."""
    """Why somebody may not be on now, by the word of `captive_portal.sessions.policy.Reason`."""
    left: str
    speed: str
    slowed: str
    renew: str
    renewed: str
    change_password: str
    old_password: str
    old_wrong: str
    changed: str
    save: str
    new_title: str
    new_why: str
    new_password: str
    new_again: str
    new_rule: str
    new_differs: str
    password_faults: Mapping[Fault, str]
    new_save: str
    notice_title: str
    notice_short: str
    notice_going_on: str
    notice_more: str
    notice_version: str
    """Of version `{version}` since `{since}`."""
    notice: tuple[tuple[str, str], ...]
    """Heading and paragraph; `{days}`, `{controller}` and `{contact}` are filled in."""
    contact_missing: str

    def denied(self, error: Denied) -> str:
        """Return why somebody may not be on now, and when again where that is known."""
        why = self.denials.get(error.reason, self.not_now)
        if error.opens is None:
            return why
        begin, end = (time.astimezone(dates.BANGKOK) for time in error.opens)
        clock = f"{end:%H:%M} น." if self.lang == "th" else f"{end:%H:%M}"
        until = clock if end - begin < _WHOLE_DAY else self.moment(end)
        return f"{why} {self.opens.format(begin=self.moment(begin), end=until)}"

    def amount(self, octets: int) -> str:
        """Return an amount of data as people say it."""
        if octets >= 10**9:
            return f"{octets / 10**9:,.1f} GB"
        return f"{octets // 10**6:,} MB"

    def pace(self, kbit: int) -> str:
        """Return a speed as people say it."""
        if kbit >= 1000:
            return f"{kbit / 1000:,.1f}".removesuffix(".0") + " Mbit/s"
        return f"{kbit:,} kbit/s"

    def moment(self, time: datetime) -> str:
        """Return a time as people here write it."""
        local = time.astimezone(dates.BANGKOK)
        if self.lang == "th":
            return f"{dates.shown(local.date())} เวลา {local:%H:%M} น."
        return f"{local.day} {local:%b %Y, %H:%M}"


THAI = Texts(
    lang="th",
    other_lang="en",
    other_name="English",
    title="ลงชื่อเข้าใช้เครือข่าย",
    account="ชื่อผู้ใช้",
    password="รหัสผ่าน",  # noqa: S106  # a label
    sign_in="เข้าใช้งาน",
    sign_out="ออกจากระบบ",
    signed_in_as="เครื่องนี้เข้าใช้งานในชื่อ",
    signed_in="เข้าใช้งานแล้ว",
    signed_out="ออกจากระบบแล้ว",
    may_close="ใช้อินเทอร์เน็ตได้แล้ว ปิดหน้านี้ได้",
    until="ใช้ได้ถึง",
    address="หมายเลขไอพีของเครื่องนี้",
    another="เข้าใช้งานในชื่ออื่น",
    to_session="ดูสถานะหรือออกจากระบบ",
    back="กลับไปหน้าลงชื่อเข้าใช้",
    refused="ชื่อผู้ใช้หรือรหัสผ่านไม่ถูกต้อง กรุณาลองใหม่",
    voucher_title="มีบัตรผู้มาเยือน",
    voucher="รหัสในบัตร",
    guest="ชื่อและนามสกุลของผู้ใช้บัตร",
    guest_wanted="บัตรนี้ใช้ได้ กรุณากรอกชื่อและนามสกุลของผู้ใช้บัตร",
    unsure="ชื่อผู้ใช้หรือรหัสผ่านไม่ถูกต้อง หรือระบบตรวจสอบบัญชียังไม่ตอบ กรุณาลองใหม่ หรือแจ้งผู้ดูแลระบบ",
    code_wrong="รหัสในบัตรไม่ถูกต้อง หรือบัตรนี้หมดอายุหรือถูกยกเลิกแล้ว กรุณาตรวจรหัสแล้วลองใหม่",
    provider="เข้าใช้ด้วย {name}",
    provider_browser=(
        "หน้าต่างนี้ใช้ยืนยันตัวตนกับผู้ให้บริการภายนอกไม่ได้ กรุณาเชื่อมต่อ Wi-Fi นี้ไว้ เปิดเบราว์เซอร์ของเครื่อง "
        "(Safari, Chrome, Edge หรือ Firefox) แล้วพิมพ์ที่อยู่ {address}"
    ),
    provider_refused="ยืนยันตัวตนไม่สำเร็จ หรือบัญชีนี้ใช้กับเครือข่ายของสถานศึกษาไม่ได้ กรุณาเริ่มใหม่จากหน้านี้",
    provider_silent="ระบบยืนยันตัวตนภายนอกยังไม่ตอบ กรุณาลองใหม่ในอีกสักครู่ หรือใช้วิธีอื่น",
    too_often="ลองผิดหลายครั้งแล้ว กรุณารออีก {seconds} วินาทีแล้วลองใหม่",
    busy="ขณะนี้มีผู้เข้าใช้งานพร้อมกันจำนวนมาก กรุณารอสักครู่แล้วลองใหม่",
    not_now="ขณะนี้ยังทำรายการไม่ได้ เพราะระบบบันทึกข้อมูลไม่พร้อม กรุณาลองใหม่ในอีกสักครู่ หรือแจ้งผู้ดูแลระบบ",
    stale="หน้านี้เปิดไว้นานเกินไป กรุณากรอกใหม่อีกครั้ง",
    elsewhere="แบบฟอร์มนี้ส่งมาจากเว็บอื่น จึงไม่รับ กรุณากลับไปหน้าลงชื่อเข้าใช้และกรอกที่นั่น",
    not_here="เครื่องนี้ไม่ได้อยู่ในเครือข่ายที่ใช้หน้านี้ กรุณาเชื่อมต่อเครือข่ายของสถานศึกษาก่อน",
    not_found="ไม่พบหน้านี้",
    start_again="กรุณาเริ่มใหม่จากหน้าลงชื่อเข้าใช้",
    too_much="ข้อมูลที่ส่งมายาวเกินไป",
    opens="ใช้ได้อีกครั้ง {begin} ถึง {end}",
    denials={
        "closed": "ชื่อผู้ใช้หรือรหัสผ่านไม่ถูกต้อง กรุณาลองใหม่",
        "hours": "ขณะนี้อยู่นอกเวลาที่กลุ่มของท่านใช้อินเทอร์เน็ตได้",
        "quota-day": "วันนี้ใช้ข้อมูลครบตามที่กำหนดแล้ว พรุ่งนี้ใช้ได้อีก หรือขอเพิ่มจากครู",
        "quota-month": "เดือนนี้ใช้ข้อมูลครบตามที่กำหนดแล้ว ขอเพิ่มได้จากครู",
        "quota-minutes": "วันนี้ใช้ครบเวลาที่กำหนดแล้ว พรุ่งนี้ใช้ได้อีก หรือขอเพิ่มจากครู",
        "devices": "ท่านใช้งานอยู่ครบจำนวนเครื่องที่กำหนดแล้ว กรุณาออกจากระบบที่เครื่องอื่นก่อน",
    },
    ends={
        "other device": "เครื่องนี้ถูกออกจากระบบ เพราะบัญชีนี้เข้าใช้ที่เครื่องอื่นจนครบจำนวนที่กำหนด",
        "hours": "หมดเวลาที่กลุ่มของท่านใช้อินเทอร์เน็ตได้แล้ว",
        "quota": "ใช้ครบตามที่กำหนดแล้ว จึงถูกออกจากระบบ",
        "Session-Timeout": "ครบเวลาแล้ว กรุณาลงชื่อเข้าใช้อีกครั้ง",
        "Idle-Timeout": "ไม่มีการใช้งานระยะหนึ่ง กรุณาลงชื่อเข้าใช้อีกครั้ง",
        "Admin-Reset": "ผู้ดูแลระบบให้เครื่องนี้ออกจากระบบ",
    },
    left="ปริมาณข้อมูลที่เหลือ",
    speed="ความเร็ว (ส่ง / รับ)",
    slowed="ใช้ข้อมูลครบตามที่กำหนดแล้ว จึงใช้ได้ช้าลง",
    renew="ต่อเวลา",
    renewed="ต่อเวลาแล้ว",
    change_password="เปลี่ยนรหัสผ่าน",  # noqa: S106  # a label
    old_password="รหัสผ่านปัจจุบัน",  # noqa: S106  # a label
    old_wrong="รหัสผ่านปัจจุบันไม่ถูกต้อง กรุณาลองใหม่",
    changed="เปลี่ยนรหัสผ่านแล้ว",
    save="บันทึก",
    new_title="ตั้งรหัสผ่านใหม่",
    new_why="รหัสผ่านที่ได้รับมาใช้ได้ครั้งเดียว กรุณาตั้งรหัสผ่านของตนเองก่อนใช้งาน",
    new_password="รหัสผ่านใหม่",  # noqa: S106  # a label
    new_again="รหัสผ่านใหม่อีกครั้ง",
    new_rule="อย่างน้อย 8 ตัวอักษร",
    new_differs="รหัสผ่านสองช่องไม่ตรงกัน กรุณากรอกใหม่",
    password_faults={
        Fault.SHORT: "รหัสผ่านสั้นกว่า 8 ตัวอักษร กรุณากรอกใหม่",
        Fault.LONG: "รหัสผ่านยาวเกิน 256 ตัวอักษร กรุณากรอกใหม่",
        Fault.COMMON: "รหัสผ่านนี้มีคนใช้กันมากและเดาง่าย กรุณาตั้งรหัสผ่านอื่น",
        Fault.OWN_NAME: "รหัสผ่านนี้เหมือนชื่อผู้ใช้ กรุณาตั้งรหัสผ่านอื่น",
        Fault.SAME: "นี่เป็นรหัสผ่านเดิมหรือรหัสผ่านที่ได้รับมา กรุณาตั้งรหัสผ่านอื่น",
    },
    new_save="บันทึกและเข้าใช้งาน",
    notice_title="ประกาศเรื่องข้อมูลที่เก็บ",
    notice_short=(
        "กฎหมายกำหนดให้เก็บข้อมูลว่าใครใช้เครือข่ายเมื่อใดและติดต่อกับที่ใด ไว้ไม่น้อยกว่า {days} วัน "
        "ระบบไม่เก็บเนื้อหาของสิ่งที่ดูหรือพิมพ์"
    ),
    notice_going_on="เมื่อเข้าใช้งาน ถือว่าได้อ่านและรับทราบประกาศนี้แล้ว",
    notice_more="อ่านประกาศฉบับเต็ม",
    notice_version="ฉบับ {version} ใช้ตั้งแต่ {since}",
    notice=(
        (
            "เก็บอะไร",
            "ชื่อผู้ใช้และชื่อ-สกุล เวลาเข้าและออก หมายเลขไอพีและหมายเลขเครื่อง (MAC) "
            "และข้อมูลจราจรทางคอมพิวเตอร์ คือต้นทาง ปลายทาง เวลา และปริมาณข้อมูล "
            "ไม่เก็บเนื้อหาของการสื่อสาร และไม่เก็บรหัสผ่านที่กรอกผิด",
        ),
        (
            "เก็บเพื่ออะไร",
            "เพื่อปฏิบัติตามหน้าที่ตามกฎหมาย: พระราชบัญญัติว่าด้วยการกระทำความผิดเกี่ยวกับคอมพิวเตอร์ "
            "พ.ศ. 2550 และที่แก้ไขเพิ่มเติม มาตรา 26 ฐานตามกฎหมายคุ้มครองข้อมูลส่วนบุคคลคือ มาตรา 24(6) "
            "จึงไม่ต้องขอความยินยอม และเพื่อดูแลเครือข่ายให้ใช้งานได้ปลอดภัย",
        ),
        ("เก็บนานเท่าใด", "ไม่น้อยกว่า {days} วันนับแต่วันที่ข้อมูลเข้าสู่ระบบ แล้วลบ"),
        (
            "ใครได้เห็น",
            "ผู้ดูแลระบบที่ได้รับมอบหมาย และพนักงานเจ้าหน้าที่ที่ร้องขอตามกฎหมาย ทุกครั้งที่เปิดดูมีการบันทึกไว้",
        ),
        (
            "สิทธิของท่าน",
            "ขอดู ขอสำเนา ขอแก้ไขข้อมูลของตน และร้องเรียนต่อสำนักงานคณะกรรมการคุ้มครองข้อมูลส่วนบุคคลได้ "
            "นักเรียนให้ผู้ปกครองช่วยได้",
        ),
        ("ผู้ควบคุมข้อมูลและผู้ติดต่อ", "{controller} · {contact}"),
    ),
    contact_missing="ติดต่อผู้ดูแลระบบของสถานศึกษา",
)

ENGLISH = Texts(
    lang="en",
    other_lang="th",
    other_name="ไทย",
    title="Sign in to the network",
    account="Account",
    password="Password",  # noqa: S106  # a label
    sign_in="Sign in",
    sign_out="Sign out",
    signed_in_as="This device is signed in as",
    signed_in="Signed in",
    signed_out="Signed out",
    may_close="You can use the Internet now and close this page.",
    until="Until",
    address="Address of this device",
    another="Sign in as somebody else",
    to_session="Status and sign-out",
    back="Back to sign-in",
    refused="Account or password is not right. Please try again.",
    voucher_title="Visitors with a voucher",
    voucher="Code on the voucher",
    guest="First name and surname of who uses it",
    guest_wanted="The voucher is good. Please give your first name and surname.",
    unsure=(
        "Account or password is not right, or a directory of accounts does not answer. "
        "Please try again, or tell the administrator."
    ),
    code_wrong=(
        "The code is not right, or the voucher is over or was taken back. "
        "Please check the code and try again."
    ),
    provider="Sign in with {name}",
    provider_browser=(
        "This window cannot be used to sign in with an outside provider. Stay on this Wi-Fi, open "
        "your browser (Safari, Chrome, Edge or Firefox) and type the address {address}"
    ),
    provider_refused=(
        "That sign-in did not work, or the account is not one for this network. "
        "Please start again from this page."
    ),
    provider_silent=(
        "The outside sign-in service does not answer. Please try again in a moment, or sign in "
        "another way."
    ),
    too_often="Too many wrong tries. Please wait {seconds} seconds and try again.",
    busy="Many people are signing in at this moment. Please wait a little and try again.",
    not_now=(
        "This cannot be done now, because the log cannot be written. "
        "Please try again in a moment, or tell the administrator."
    ),
    stale="This page was open for too long. Please fill it in again.",
    elsewhere="This form was sent from another site, and is not taken. Please go back to sign-in.",
    not_here="This device is not in a network of this page. Connect to the school's network first.",
    not_found="There is no such page",
    start_again="Please start again from the sign-in page.",
    too_much="What was sent is too long.",
    opens="You may again from {begin} to {end}.",
    denials={
        "closed": "Account or password is not right. Please try again.",
        "hours": "Your group may not use the Internet at this time.",
        "quota-day": "You have used all your data for today. Come back tomorrow, or ask a teacher.",
        "quota-month": "You have used all your data for this month. A teacher can give you more.",
        "quota-minutes": "Your time for today is used up. Come back tomorrow, or ask a teacher.",
        "devices": "You are signed in on as many devices as allowed. Please sign out on another.",
    },
    ends={
        "other device": "This device was signed out: the account came to be on too many others.",
        "hours": "Your group's hours are over.",
        "quota": "What you may use is used up, so this device was signed out.",
        "Session-Timeout": "The time is over. Please sign in again.",
        "Idle-Timeout": "Nothing was used for a while. Please sign in again.",
        "Admin-Reset": "The staff signed this device out.",
    },
    left="Data left",
    speed="Speed (up / down)",
    slowed="Your data is used up, so the Internet is slower for you.",
    renew="Stay longer",
    renewed="You can stay longer now.",
    change_password="Change password",  # noqa: S106  # a label
    old_password="Present password",  # noqa: S106  # a label
    old_wrong="The present password is not right. Please try again.",
    changed="Your password was changed.",
    save="Save",
    new_title="Choose a new password",
    new_why="The password you were given works once. Please choose your own before you go on.",
    new_password="New password",  # noqa: S106  # a label
    new_again="New password again",
    new_rule="At least 8 characters",
    new_differs="The two passwords differ. Please try again.",
    password_faults={
        Fault.SHORT: "The password is shorter than 8 characters. Please choose another one.",
        Fault.LONG: "The password is longer than 256 characters. Please choose another one.",
        Fault.COMMON: "Many people use this password, and it is guessed first. Choose another one.",
        Fault.OWN_NAME: "The password is the account's name. Please choose another one.",
        Fault.SAME: "This is the password that you have. Please choose another one.",
    },
    new_save="Save and sign in",
    notice_title="What is kept about you",
    notice_short=(
        "The law asks that it be kept who used the network when, and with whom it communicated, "
        "for at least {days} days. The content of what you read or write is not kept."
    ),
    notice_going_on="By signing in you say that you have read this notice.",
    notice_more="Read the whole notice",
    notice_version="Version {version}, since {since}",
    notice=(
        (
            "What is kept",
            "Account and full name, times of sign-in and sign-out, the device's IP and MAC "
            "addresses, and traffic data: origin, destination, time and amount. No content of "
            "communication, and no password that was typed wrong.",
        ),
        (
            "Why",
            "To fulfil a legal obligation: section 26 of the Computer Crime Act B.E. 2550 as "
            "amended. The basis under the Personal Data Protection Act is section 24(6), so that "
            "no consent is asked. And to keep the network working and safe.",
        ),
        ("How long", "At least {days} days from when the data enters the system; then deleted."),
        (
            "Who sees it",
            "Administrators who are charged with it, and officials who ask by law. "
            "Each look is itself recorded.",
        ),
        (
            "Your rights",
            "To see, copy and correct your data, and to complain to the Personal Data Protection "
            "Committee's office. Pupils may have a parent help.",
        ),
        ("Controller and contact", "{controller} · {contact}"),
    ),
    contact_missing="ask the administrator of the school",
)


def texts(lang: str | None) -> Texts:
    """Return the texts in the language asked for; Thai unless it is `en`."""
    return ENGLISH if lang == "en" else THAI
