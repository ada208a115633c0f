"""What a refused person reads (Reply-Message, RFC 2865 5.18); an attribute holds 84 Thai letters.

Who has not proven to be somebody hears the same whatever is wrong: the reason is in the log.
"""

from __future__ import annotations

from captive_portal.radius.replies import cut

CREDENTIALS = "credentials"
HOURS = "hours"
QUOTA = "quota"
DEVICES = "devices"
OLDEST = "oldest"
PLACE = "place"
PASSWORD_CHANGE = "password-change"  # noqa: S105  # the name of a sentence

_TEXTS = {
    CREDENTIALS: (
        "ชื่อผู้ใช้หรือรหัสผ่านไม่ถูกต้อง หรือบัญชีนี้ใช้ไม่ได้",
        "The account or the password is not right, or the account cannot be used.",
    ),
    HOURS: (
        "ขณะนี้อยู่นอกเวลาที่กลุ่มของคุณใช้อินเทอร์เน็ตได้",
        "Your group may not be online at this time.",
    ),
    QUOTA: ("คุณใช้อินเทอร์เน็ตครบโควตาแล้ว", "Your quota is used up."),
    DEVICES: ("คุณใช้งานครบจำนวนอุปกรณ์แล้ว", "You are online on as many devices as you may be."),
    OLDEST: (
        "เข้าใช้ได้แล้ว อุปกรณ์เครื่องที่เข้าใช้ก่อนถูกออกจากระบบ",
        "You are online; the device that was online first has been signed out.",
    ),
    PLACE: (
        "บัญชีของคุณใช้กับเครือข่ายนี้ไม่ได้ โปรดเลือกเครือข่ายอื่น",
        "Your account may not use this network; choose another.",
    ),
    PASSWORD_CHANGE: (
        "โปรดเปลี่ยนรหัสผ่านที่หน้าลงชื่อเข้าใช้ก่อน",
        "Change your password on the sign-in page first.",
    ),
}


def reply(what: str, language: str) -> str:
    """Return a sentence in a language, `th` or `en`."""
    thai, english = _TEXTS[what]
    return cut(english if language == "en" else thai)
