"""A made-up school: its people, their devices, and what those do on the network.

Everything is invented: names that nobody bears together, networks kept for documentation
(RFC 5737, RFC 3849), account names that begin with `demo-`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID, uuid5

import numpy as np

from appliance.cli.demo_wire import DemoFlow

NAMESPACE = UUID("6b6f5a1c-9a30-4d57-8e1c-6f2f0c3b7a11")
PUBLIC = "198.51.100.7"
"""The school's address on the Internet, as documentation has it."""
PROOFING = "made up: demo school"
TCP, UDP = 6, 17

_FIRST = [
    "กล้วยไม้",
    "ข้าวฟ่าง",
    "แตงกวา",
    "น้ำหวาน",
    "ใบตอง",
    "ปลาทู",
    "ฟักทอง",
    "มะขาม",
    "ส้มโอ",
    "อ้อยควั่น",
    "ขนมครก",
    "ตะวันฉาย",
    "เมฆขาว",
    "สายรุ้ง",
    "ดาวเรือง",
    "ต้นกล้า",
]
_LAST = ["สมมติสกุล", "ตัวอย่างดี", "ทดลองใช้", "ไม่มีจริง", "นามสาธิต", "แบบฝึกหัด"]
_SITES = (
    ("203.0.113.10", 443, TCP, 0.34),
    ("203.0.113.24", 443, UDP, 0.22),
    ("192.0.2.80", 443, TCP, 0.16),
    ("192.0.2.143", 993, TCP, 0.05),
    ("203.0.113.77", 80, TCP, 0.06),
    ("192.0.2.53", 53, UDP, 0.17),
)
"""Address, port, protocol, and the share of all flows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoPerson:
    """Somebody made up, and the one device they bring."""

    number: int
    account: str
    name: str
    teacher: bool

    @property
    def address(self) -> str:
        """The device's IPv4 address at school."""
        return f"10.20.{1 + self.number // 100}.{10 + self.number % 100}"

    @property
    def address6(self) -> str:
        """The device's IPv6 address at school."""
        return f"fd00:20::{0x1000 + self.number:x}"

    @property
    def mac(self) -> str:
        """A locally administered MAC."""
        return f"02:de:30:00:{self.number >> 8:02x}:{self.number & 255:02x}"


def people(count: int) -> list[DemoPerson]:
    """Return so many made-up people, one teacher to ten pupils; always the same ones."""
    return [
        DemoPerson(
            number=n,
            account=f"demo-{'t' if n % 11 == 0 else 's'}{n:03}",
            name=f"{_FIRST[n % len(_FIRST)]} {_LAST[n // len(_FIRST) % len(_LAST)]}",
            teacher=n % 11 == 0,
        )
        for n in range(count)
    ]


class Traffic:
    """Draws flows of the people who are on, from a seed."""

    def __init__(self, seed: int) -> None:
        self._dice = np.random.default_rng(seed)
        self._weights = np.array([share for *_, share in _SITES])

    def between(
        self, on: list[DemoPerson], from_ms: int, to_ms: int, per_second: float
    ) -> list[DemoFlow]:
        """Return the flows that ended in [from_ms, to_ms), both directions of each talk."""
        if not on:
            return []
        talks = self._dice.poisson(per_second * (to_ms - from_ms) / 2000)
        flows: list[DemoFlow] = []
        for _ in range(talks):
            # Some people are far busier than others.
            person = on[int(len(on) * self._dice.random() ** 2)]
            flows.extend(self._talk(person, int(self._dice.integers(from_ms, to_ms))))
        return sorted(flows, key=lambda f: f.end_ms)

    def _talk(self, person: DemoPerson, end_ms: int) -> Iterator[DemoFlow]:
        site = self._dice.choice(len(_SITES), p=self._weights)
        address, port, protocol, _ = _SITES[site]
        short = port == 53
        six = protocol == TCP and self._dice.random() < 0.15
        length_ms = 5 if short else int(self._dice.integers(50, 8000))
        own_port = int(self._dice.integers(32768, 61000))
        nat = "" if six else PUBLIC
        mine, theirs = person.address, address
        if six:
            mine, theirs = person.address6, f"2001:db8:{site + 1:x}::80"
        for outward in (True, False):
            packets = 1 if short else int(self._dice.geometric(0.05))
            size = packets * int(self._dice.integers(60, 220 if outward else 1400))
            yield DemoFlow(
                source=mine if outward else theirs,
                target=theirs if outward else mine,
                source_port=own_port if outward else port,
                target_port=port if outward else own_port,
                protocol=protocol,
                packets=packets,
                size_bytes=size,
                start_ms=end_ms - length_ms,
                end_ms=end_ms,
                tcp_flags=0x1B if protocol == TCP else 0,
                mac=person.mac if outward else "02:de:30:ff:00:01",
                outward=outward,
                nat_address=nat,
                nat_port=20_000 + (own_port * 7 + person.number) % 40_000 if nat else 0,
            )

    def chance(self, share: float) -> bool:
        """Return True for so large a share of the calls."""
        return bool(self._dice.random() < share)

    def pick(self, among: list[DemoPerson]) -> DemoPerson:
        """Return one of them."""
        return among[int(self._dice.integers(len(among)))]


def session_id(person: DemoPerson, start_ms: int) -> UUID:
    """Return the id of a person's session that began then."""
    return uuid5(NAMESPACE, f"{person.account}/{start_ms}")
