"""What people read about their own devices, Thai first."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """Every sentence of it, in one language."""

    title: str
    used: str
    """`{count}` are in use now."""
    used_of: str
    """`{count}` of `{most}` that may be at once."""
    here: str
    on: str
    seen: str
    """Last, at `{time}`."""
    nameless: str
    ends_in: str
    """The MAC's end is `{tail}`."""
    random: str
    school: str
    remembered: str
    """Until `{time}`."""
    change: str
    name: str
    save: str
    sign_out: str
    forget: str
    named: str
    signed_out: str
    forgotten: str
    bad_name: str
    gone: str
    random_title: str
    random_help: tuple[str, ...]
    more: str


_THAI = Words(
    title="อุปกรณ์ของฉัน",
    used="ขณะนี้ใช้อยู่ {count} เครื่อง",
    used_of="ขณะนี้ใช้อยู่ {count} เครื่อง จากที่ใช้พร้อมกันได้ {most} เครื่อง",
    here="เครื่องนี้",
    on="ใช้อยู่ขณะนี้",
    seen="ใช้ล่าสุด {time}",
    nameless="เครื่องที่ยังไม่มีชื่อ",
    ends_in="หมายเลขเครื่องลงท้าย {tail}",
    random="หมายเลขสุ่ม",
    school="ของสถานศึกษา ท่านเป็นผู้รับผิดชอบ",
    remembered="เข้าใช้เองได้ถึง {time}",
    change="ตั้งชื่อหรือจัดการ",
    name="ชื่อที่ใช้เรียก",
    save="บันทึกชื่อ",
    sign_out="ออกจากระบบที่เครื่องนั้น",
    forget="ลืมเครื่องนี้",
    named="บันทึกชื่อแล้ว",
    signed_out="ออกจากระบบที่เครื่องนั้นแล้ว",
    forgotten="ลืมเครื่องนั้นแล้ว ครั้งต่อไปต้องลงชื่อเข้าใช้",
    bad_name="ชื่อนี้ใช้ไม่ได้ หรือตั้งชื่อไว้มากเกินไป กรุณาใช้ชื่อสั้น ๆ หรือลืมเครื่องที่ไม่ใช้ก่อน",
    gone="เครื่องนั้นไม่อยู่ในรายการแล้ว",
    random_title="หมายเลขสุ่มคืออะไร",
    random_help=(
        "โทรศัพท์หลายรุ่นสุ่มหมายเลขเครื่อง (MAC) เอง เมื่อสุ่มใหม่ ระบบจะเห็นเป็นเครื่องใหม่และให้ลงชื่อเข้าใช้อีกครั้ง "
        "เครื่องเก่าที่ไม่ได้ใช้แล้วไม่ถูกนับ",
        "iPhone, iPad: การตั้งค่า > Wi-Fi > ปุ่ม (i) ข้างชื่อเครือข่าย > ที่อยู่ Wi-Fi ส่วนตัว > คงที่ (Fixed)",
        "Android: การตั้งค่า > Wi-Fi > รูปเฟืองข้างชื่อเครือข่าย > ความเป็นส่วนตัว > ใช้ MAC แบบสุ่ม "
        "(เครือข่ายเดิมใช้หมายเลขเดิม ถ้าไม่ลบเครือข่าย)",
    ),
    more="และอีก {count} เครื่องที่ใช้นานมาแล้ว",
)

_ENGLISH = Words(
    title="My devices",
    used="{count} in use now",
    used_of="{count} in use now, of {most} that may be at once",
    here="this device",
    on="in use now",
    seen="last used {time}",
    nameless="A device without a name",
    ends_in="its number ends in {tail}",
    random="made-up number",
    school="the school's; you answer for it",
    remembered="comes in by itself until {time}",
    change="Name it, or more",
    name="What you call it",
    save="Save the name",
    sign_out="Sign out on that device",
    forget="Forget this device",
    named="The name is saved.",
    signed_out="That device is signed out.",
    forgotten="That device is forgotten. It has to sign in the next time.",
    bad_name="That name cannot be used, or there are too many. Choose a short one, or forget "
    "devices that you use no more.",
    gone="That device is not in the list any more.",
    random_title="What is a made-up number?",
    random_help=(
        "Many phones make up their own hardware number (MAC). When it changes, the phone is a new "
        "device here and has to sign in again. Old ones that are used no more do not count.",
        "iPhone, iPad: Settings > Wi-Fi > (i) beside the network > Private Wi-Fi Address > Fixed",
        "Android: Settings > Wi-Fi > the wheel beside the network > Privacy > Use randomised MAC "
        "(a network keeps its number as long as it is not forgotten)",
    ),
    more="and {count} more that were used long ago",
)


def words(lang: str) -> Words:
    """Return the words in a language; Thai unless it is `en`."""
    return _ENGLISH if lang == "en" else _THAI
