"""What `who` found, in sentences: Thai first, English beside it."""

from __future__ import annotations

from appliance.search import times
from appliance.search.who_answer import (
    CANDIDATES,
    LIKELY,
    NOBODY,
    PERSON,
    Reading,
    Suspect,
)

NOTES: dict[str, tuple[str, str]] = {
    "two-sites": (
        "มีหลายแห่งใช้ที่อยู่เดียวกัน โปรดระบุ --site",
        "more than one site has this private address: say --site",
    ),
    "no-port": (
        "ไม่ได้ระบุพอร์ต จึงตอบได้เพียงรายชื่อผู้ที่เป็นไปได้",
        "without a port, one public address stands for many people",
    ),
    "late": (
        "เซสชันนี้ทราบภายหลังการปิดผนึก",
        "a session was learnt after sealing: the sealed rows do not bear the name",
    ),
    "coverage": (
        "มีช่วงที่บันทึกไม่ครบ ดูรายการ coverage",
        "the log has gaps around this time: see the coverage rows",
    ),
    "clock": (
        "นาฬิกาของอุปกรณ์ที่ส่งข้อมูลคลาดเคลื่อน",
        "the clock of an exporter was not right",
    ),
    "other-end": (
        "ที่อยู่นี้เป็นปลายทางภายนอก ชื่อในบันทึกเป็นของอีกฝั่งหนึ่ง",
        "the address is the far end of flows; their person is at the other end, see: prathu search",
    ),
    "double-nat": (
        "มี NAT อีกชั้นที่ผู้ให้บริการ ไอพีและพอร์ตที่ถามจึงไม่ใช่ของกล่องนี้"
        " ตอบได้จากปลายทางและเวลาเท่านั้น: --dst หรือ prathu search 'dst:… port:…'"
        " ควรขอให้ผู้ให้บริการตั้งโมเด็มเป็น bridge mode",
        "translated again upstream: answer by destination and time only, with --dst, or:"
        " prathu search 'dst:… port:…'; bridge mode on the provider's modem would end it",
    ),
    "port-block": (
        "ไม่พบโฟลว์ แต่ NAT ให้ยืมช่วงพอร์ตนี้แก่ที่อยู่ภายในที่แสดง จึงตอบตามเซสชันของที่อยู่นั้น",
        "no flow was found; a NAT had lent the port to the inside address shown, and the answer is"
        " whose session that was",
    ),
    "by-destination": (
        "มี NAT อีกชั้นที่ผู้ให้บริการ จึงตอบตามปลายทางและเวลาเท่านั้น: คือผู้ที่ติดต่อปลายทางนี้ในช่วงเวลานั้น"
        " ควรขอให้ผู้ให้บริการตั้งโมเด็มเป็น bridge mode",
        "translated again upstream, so answered by destination and time only: these spoke with it"
        " then; bridge mode on the provider's modem would end it",
    ),
    "shared": (
        "ที่อยู่นี้ตั้งค่าไว้ว่ามีผู้ใช้ร่วมกันหลายคน จึงตอบได้เพียงรายชื่อผู้ที่เป็นไปได้",
        "the settings say that many share the address: whoever is signed in is a candidate only",
    ),
    "cut": (
        "มีหลักฐานมากกว่าที่แสดง",
        "there is more evidence than was read: ask for a shorter window",
    ),
}
"""Thai and English of each note of a reading."""


def asked(question: str) -> tuple[str, str]:
    """Return the question itself as a sentence, for the audit log."""
    rest = question.removeprefix("who ")
    return f"ใครอยู่เบื้องหลังที่อยู่ {rest}", f"who was behind the address {rest}"


def verdict(reading: Reading) -> tuple[str, str]:
    """Return the verdict of a reading in Thai and English."""
    thai_time, english_time = times.thai(reading.at_us), times.rfc3339(reading.at_us)
    count = len(reading.persons)
    if reading.verdict == PERSON:
        name = called(reading.persons[0])
        likely = reading.certainty == LIKELY
        thai = f"เวลา {thai_time} คือ {name}" + (" (น่าจะเป็น)" if likely else "")
        return thai, f"at {english_time} it was {name} ({reading.certainty})"
    if reading.verdict == CANDIDATES:
        thai = f"เวลา {thai_time} มีผู้ที่เป็นไปได้ {count} คน"
        many = f"are {count} candidates" if count != 1 else "is 1 candidate"
        return thai, f"at {english_time} there {many}"
    if reading.verdict == NOBODY:
        thai = f"เวลา {thai_time} ไม่มีผู้ใดลงชื่อเข้าใช้ที่อยู่นี้"
        return thai, f"at {english_time} nobody was signed in there"
    thai = f"เวลา {thai_time} ไม่พบที่อยู่นี้ในบันทึก"
    return thai, f"at {english_time} this is no address of ours: unknown"


def called(suspect: Suspect) -> str:
    """Return a person's name and account, or the id where there is neither."""
    if suspect.full_name and suspect.account:
        return f"{suspect.full_name} ({suspect.account})"
    return suspect.full_name or suspect.account or suspect.person
