"""What people read on the way through another maker's gateway, Thai first."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """Every sentence of it, in one language."""

    heading: str
    why: str
    button: str
    refused: str
    unknown: str
    other: str
    wait: str
    late: str


_THAI = Words(
    heading="อีกหนึ่งขั้นตอน",
    why="กดปุ่มด้านล่างภายใน 1 นาที เพื่อเริ่มใช้อินเทอร์เน็ต",
    button="เริ่มใช้อินเทอร์เน็ต",
    refused="อุปกรณ์เครือข่ายยังไม่อนุญาตเครื่องนี้ กรุณาลงชื่อเข้าใช้อีกครั้ง",
    unknown=(
        "หน้านี้ไม่ได้เปิดมาจากอุปกรณ์เครือข่ายที่ระบบรู้จัก กรุณาปิด Wi-Fi แล้วเชื่อมต่อใหม่ หากยังเป็นอยู่ให้แจ้งผู้ดูแลระบบ"
    ),
    other=(
        "ข้อมูลของเครื่องในลิงก์นี้ไม่ตรงกับเครื่องที่ท่านใช้อยู่ จึงไม่ได้เปิดอินเทอร์เน็ตให้ "
        "กรุณาปิด Wi-Fi แล้วเชื่อมต่อใหม่ และอย่าเปิดลิงก์ที่ผู้อื่นส่งมา"
    ),
    wait="กำลังรออุปกรณ์เครือข่ายยืนยัน กรุณารอสักครู่",
    late="ยังไม่ได้รับการยืนยันจากอุปกรณ์เครือข่าย หากใช้อินเทอร์เน็ตได้แล้วให้ปิดหน้านี้ หากยังไม่ได้ให้ลงชื่อเข้าใช้อีกครั้ง",
)
_ENGLISH = Words(
    heading="One more step",
    why="Press the button within a minute to begin using the Internet.",
    button="Begin using the Internet",
    refused="The network has not let this device in yet. Please sign in again.",
    unknown=(
        "This page was not opened by a network device that is known here. Turn Wi-Fi off and on "
        "again; if that does not help, tell the administrator."
    ),
    other=(
        "What this link says of the device is not true of the one that you use, so the Internet "
        "was not opened. Turn Wi-Fi off and on again, and open no links that others send."
    ),
    wait="Waiting for the network to confirm. Please wait a moment.",
    late=(
        "The network has not confirmed yet. If the Internet works, close this page; "
        "if not, sign in again."
    ),
)


def words(lang: str) -> Words:
    """Return the words in a language; Thai unless it is `en`."""
    return _ENGLISH if lang == "en" else _THAI
