"""What people read about joining Wi-Fi with 802.1X, Thai first.

Names of fields stand as phones show them, in English too: many phones here are set to it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """Every sentence of it, in one language."""

    title: str
    why: str
    """`{networks}` are its names."""
    never: str
    apple: str
    apple_file: str
    apple_steps: tuple[str, ...]
    android: str
    android_file: str
    android_steps: tuple[str, ...]
    android_last: str
    windows: str
    windows_file: str
    """`{network}` is its name."""
    windows_steps: tuple[str, ...]
    windows_last: str
    method: str
    inner: str
    authority: str
    authority_value: str
    domain: str
    identity: str
    identity_value: str
    anonymous: str
    password: str
    password_value: str
    check: str
    own: str
    not_ready: str
    link: str


_THAI = Words(
    title="ตั้งค่า Wi-Fi ของสถานศึกษา",
    why=(
        "เครือข่าย {networks} ใช้ชื่อผู้ใช้และรหัสผ่านเดียวกับหน้าลงชื่อเข้าใช้ ตั้งค่าครั้งเดียวแล้วเครื่องจะเชื่อมต่อเองทุกครั้ง "
        "กรุณาทำตามขั้นตอนนี้ก่อนเชื่อมต่อ เพื่อให้เครื่องส่งรหัสผ่านให้ระบบของสถานศึกษาเท่านั้น"
    ),
    never="หากเครื่องถามว่าจะเชื่อถือใบรับรองอื่น หรือให้เลือก “ไม่ต้องตรวจสอบ” อย่าตอบตกลง",
    apple="iPhone, iPad และ Mac",
    apple_file="ดาวน์โหลดโปรไฟล์",
    apple_steps=(
        "เปิดหน้านี้ด้วย Safari (หน้าต่างลงชื่อเข้าใช้ที่เปิดขึ้นเองดาวน์โหลดไม่ได้) แล้วกดดาวน์โหลดโปรไฟล์ และกดอนุญาต",
        "เปิดการตั้งค่า กด “ดาวน์โหลดโปรไฟล์แล้ว” แล้วกดติดตั้ง (Mac: การตั้งค่าระบบ › โปรไฟล์) "
        "เครื่องแจ้งว่ายังไม่ได้ตรวจสอบ เพราะโปรไฟล์ไม่ได้ลงลายเซ็น",
        "เลือกเครือข่าย แล้วกรอกชื่อผู้ใช้และรหัสผ่าน",
    ),
    android="Android",
    android_file="ดาวน์โหลดใบรับรอง CA",
    android_steps=(
        "ดาวน์โหลดใบรับรอง CA ด้านบน",
        "เปิดการตั้งค่า › ความปลอดภัย › การเข้ารหัสและข้อมูลรับรอง › ติดตั้งใบรับรอง › ใบรับรอง Wi-Fi "
        "แล้วเลือกไฟล์ wifi-ca.crt",
        "เปิดการตั้งค่า › Wi-Fi เลือกเครือข่าย แล้วกรอกตามตารางนี้",
    ),
    android_last="กดเชื่อมต่อ หากเมนูของเครื่องต่างไป ให้ค้นหาคำว่า “ใบรับรอง” ในการตั้งค่า",
    windows="Windows 10 และ 11",
    windows_file="ดาวน์โหลดโปรไฟล์ของ {network}",
    windows_steps=(
        "ดาวน์โหลดใบรับรอง CA และโปรไฟล์ ไว้ในโฟลเดอร์ดาวน์โหลด",
        "เปิด Terminal หรือ Command Prompt แล้วพิมพ์คำสั่งเหล่านี้ทีละบรรทัด เมื่อ Windows ถามเรื่องใบรับรอง "
        "ให้ตรวจค่า SHA-256 ด้านล่างก่อนตอบใช่",
    ),
    windows_last="เลือกเครือข่าย แล้วกรอกชื่อผู้ใช้และรหัสผ่าน",
    method="วิธีการ EAP (EAP method)",
    inner="การตรวจสอบสิทธิ์ระยะที่ 2 (Phase 2 authentication)",
    authority="ใบรับรอง CA (CA certificate)",
    authority_value="ใบรับรองที่เพิ่งติดตั้ง",
    domain="โดเมน (Domain)",
    identity="ข้อมูลประจำตัว (Identity)",
    identity_value="ชื่อผู้ใช้ของท่าน",
    anonymous="ข้อมูลประจำตัวที่ไม่ระบุชื่อ (Anonymous identity)",
    password="รหัสผ่าน (Password)",  # noqa: S106  # a label
    password_value="รหัสผ่านของท่าน",  # noqa: S106  # a label
    check="ค่า SHA-256 ของใบรับรอง CA ตรวจเทียบกับที่สถานศึกษาประกาศไว้",
    own="เครื่องของสถานศึกษาใช้ใบรับรองประจำเครื่องแทนรหัสผ่านได้ กรุณาแจ้งผู้ดูแลระบบ",
    not_ready="ระบบยังตั้งค่า Wi-Fi แบบนี้ไม่เสร็จ กรุณาแจ้งผู้ดูแลระบบ",
    link="ตั้งค่า Wi-Fi ให้เครื่องเชื่อมต่อเอง",
)
_ENGLISH = Words(
    title="Set up the school's Wi-Fi",
    why=(
        "{networks} takes the same account and password as the sign-in page. Set it up once, and "
        "your device joins by itself from then on. Please do so before you join: then your "
        "device gives your password to the school's system alone."
    ),
    never=(
        "If your device asks whether to trust another certificate, or offers “Do not validate”, "
        "do not agree."
    ),
    apple="iPhone, iPad and Mac",
    apple_file="Download the profile",
    apple_steps=(
        "Open this page in Safari (the sign-in window that opens by itself cannot download), "
        "download the profile and allow it.",
        "Open Settings, tap “Profile Downloaded”, and install it (Mac: System Settings › "
        "Profiles). The device says that it is not verified, as it is not signed.",
        "Choose the network, and type your account and password.",
    ),
    android="Android",
    android_file="Download the CA certificate",
    android_steps=(
        "Download the CA certificate above.",
        "Open Settings › Security › Encryption & credentials › Install a certificate › Wi-Fi "
        "certificate, and choose wifi-ca.crt.",
        "Open Settings › Wi-Fi, choose the network, and fill in this table.",
    ),
    android_last="Connect. Where your menus differ, search the settings for “certificate”.",
    windows="Windows 10 and 11",
    windows_file="Download the profile of {network}",
    windows_steps=(
        "Download the CA certificate and the profile into your Downloads folder.",
        "Open Terminal or Command Prompt and type these commands, one after the other. When "
        "Windows asks about the certificate, compare the SHA-256 below before you say yes.",
    ),
    windows_last="Choose the network, and type your account and password.",
    method="EAP method",
    inner="Phase 2 authentication",
    authority="CA certificate",
    authority_value="the one that you have just installed",
    domain="Domain",
    identity="Identity",
    identity_value="your account",
    anonymous="Anonymous identity",
    password="Password",  # noqa: S106  # a label
    password_value="your password",  # noqa: S106  # a label
    check="SHA-256 of the CA certificate, to compare with what the school has told you",
    own=(
        "Devices of the school can have a certificate instead of a password: ask the administrator."
    ),
    not_ready="This Wi-Fi is not set up yet. Please tell the administrator.",
    link="Set up Wi-Fi that your device joins by itself",
)


def words(lang: str) -> Words:
    """Return the words in a language; Thai unless it is `en`."""
    return _ENGLISH if lang == "en" else _THAI
