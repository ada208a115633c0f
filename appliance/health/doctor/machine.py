"""The machine below the box: kernel limits, programs, interfaces, clock and disk."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from appliance.health.doctor.finding import Finding, Ground, State, good, version_line
from captive_portal.radius import freeradius
from collector import timekeeping
from collector.store.retention import disk_of

SYS, PROC = Path("/sys"), Path("/proc")
PATH = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin"))
LEAST_FREE = 0.1
LEAST_CONNECTIONS = 65_536
"""Of a whole school behind the box at once."""


def kernel(ground: Ground) -> Iterator[Finding]:
    """Look at the limits that lose packets when they are low."""
    wanted = ground.settings.listen.receive_buffer
    allowed = _number(PROC / "sys/net/core/rmem_max")
    if allowed is not None and allowed < wanted:
        yield Finding(
            check="kernel",
            state=State.WARN,
            english=f"net.core.rmem_max is {allowed:,}, and {wanted:,} bytes of buffer are asked "
            "for: bursts from exporters may be lost",
            thai=f"net.core.rmem_max เป็น {allowed:,} แต่ระบบขอบัฟเฟอร์ {wanted:,} ไบต์ "
            "ข้อมูลที่มาพร้อมกันมากอาจหาย",
            mend=f"echo net.core.rmem_max={wanted} > /etc/sysctl.d/90-prathu.conf; sysctl --system",
            mend_thai="ตั้งค่าด้วยคำสั่งข้างต้นในสิทธิ root แล้วเริ่มระบบใหม่",
        )
    elif allowed is not None:
        yield good("kernel", f"net.core.rmem_max is {allowed:,}")
    most = _number(PROC / "sys/net/netfilter/nf_conntrack_max")
    if ground.settings.gateway.uplink and most is not None and most < LEAST_CONNECTIONS:
        yield Finding(
            check="kernel",
            state=State.WARN,
            english=f"the kernel remembers {most:,} connections, few for a school",
            thai=f"เคอร์เนลจำการเชื่อมต่อได้ {most:,} รายการ น้อยไปสำหรับโรงเรียน",
            mend="echo net.netfilter.nf_conntrack_max=262144 >> /etc/sysctl.d/90-prathu.conf; "
            "sysctl --system",
            mend_thai="เพิ่มค่าด้วยคำสั่งข้างต้นในสิทธิ root",
        )


def programs(ground: Ground) -> Iterator[Finding]:
    """Look for the programs that the settings need."""
    router = bool(ground.settings.gateway.uplink)
    for name, package, words in (
        ("nft", "nftables", ("nft", "--version")),
        ("dnsmasq", "dnsmasq-base", ("dnsmasq", "--version")),
        ("ip", "iproute2", ("ip", "-V")),
    ):
        found = shutil.which(name, path=PATH)
        if found:
            yield good("programs", version_line((found, *words[1:])) or f"{found} is there")
        elif router:
            yield _missing(name, package)
    yield from _freeradius(ground)


def _freeradius(ground: Ground) -> Iterator[Finding]:
    if not ground.settings.radius.eap:
        return
    if freeradius.program() is None:
        yield _missing("freeradius", "freeradius")
        return
    version = freeradius.version()
    told = ".".join(str(part) for part in version) or "of unknown version"
    if said := freeradius.caveat(version):
        yield Finding(
            check="programs",
            state=State.WARN,
            english=said,
            thai=f"FreeRADIUS {told} ไม่ลงลายเซ็นในคำตอบ (CVE-2024-3596) ระบบจึงใช้ในเครื่องเดียวกันเท่านั้น",
            mend="use 3.2.5 or newer: that of Debian 13, or packages of its makers",
            mend_thai="ใช้รุ่น 3.2.5 ขึ้นไป เช่นของ Debian 13 หรือแพ็กเกจของผู้พัฒนา",
        )
    else:
        yield good("programs", f"FreeRADIUS {told}")


def _missing(name: str, package: str) -> Finding:
    return Finding(
        check="programs",
        state=State.BAD,
        english=f"the program {name} is not here, and the settings need it",
        thai=f"ไม่มีโปรแกรม {name} ซึ่งการตั้งค่านี้ต้องใช้",
        mend=f"apt install {package}",
        mend_thai=f"ติดตั้งด้วย apt install {package}",
    )


def interfaces(ground: Ground) -> Iterator[Finding]:
    """Look for the interfaces of the gate, and for what VLANs need of the kernel."""
    gateway = ground.settings.gateway
    if not gateway.uplink:
        return
    wanted = [gateway.uplink, *(zone.interface for zone in ground.settings.zones if zone.interface)]
    absent = [name for name in dict.fromkeys(wanted) if not (SYS / "class/net" / name).exists()]
    if absent:
        names = ", ".join(absent)
        yield Finding(
            check="interfaces",
            state=State.BAD,
            english=f"this machine has no interface {names}",
            thai=f"เครื่องนี้ไม่มีอินเทอร์เฟซ {names}",
            mend="ip link shows those that there are; see [gateway] uplink and [[zones]] interface",
            mend_thai="ดูที่มีด้วย ip link แล้วแก้ [gateway] uplink และ [[zones]] interface",
        )
    else:
        yield good("interfaces", f"{', '.join(wanted)}: all are here")
    if any("." in name for name in wanted) and not _has_module("8021q"):
        yield Finding(
            check="interfaces",
            state=State.BAD,
            english="the kernel has no 802.1Q, and zones are on VLANs",
            thai="เคอร์เนลไม่มี 802.1Q แต่มีโซนที่ใช้ VLAN",
            mend="modprobe 8021q, and write 8021q into /etc/modules-load.d/prathu.conf",
            mend_thai="สั่ง modprobe 8021q และใส่ 8021q ใน /etc/modules-load.d/prathu.conf",
        )
    if not _has_module("nf_tables"):
        yield Finding(
            check="interfaces",
            state=State.BAD,
            english="the kernel has no nf_tables: the gate cannot stand",
            thai="เคอร์เนลไม่มี nf_tables ระบบจึงกั้นเครือข่ายไม่ได้",
            mend="modprobe nf_tables, or use a kernel that has it",
            mend_thai="สั่ง modprobe nf_tables หรือใช้เคอร์เนลที่มี",
        )


def _has_module(name: str) -> bool:
    """Say whether the kernel has a module, or can load it."""
    if (SYS / "module" / name).exists() or (name == "8021q" and (PROC / "net/vlan").exists()):
        return True
    folder = Path("/lib/modules") / os.uname().release
    for listed in ("modules.builtin", "modules.dep"):
        try:
            text = (folder / listed).read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        if f"/{name}.ko" in text:
            return True
    return False


def clock(_: Ground) -> Iterator[Finding]:
    """Look whether a time service holds the clock."""
    said = timekeeping.alarm(timekeeping.read())
    if not said:
        yield good("clock", "a time service holds the clock")
        return
    yield Finding(
        check="clock",
        state=State.BAD,
        english=said,
        thai="ไม่มีโปรแกรมเทียบเวลา หรือเวลาคลาดเกิน 10 มิลลิวินาที เวลาในบันทึกจึงใช้ยืนยันไม่ได้",
        mend="apt install chrony; chronyc tracking tells how it stands",
        mend_thai="ติดตั้งด้วย apt install chrony แล้วดูด้วย chronyc tracking",
    )


def disk(ground: Ground) -> Iterator[Finding]:
    """Look at what is free where the logs lie, and whether the disk is encrypted."""
    usage = disk_of(ground.home)
    share = usage.free / usage.total if usage.total else 0.0
    said = f"{usage.free / 1e9:,.1f} GB of {usage.total / 1e9:,.1f} GB are free"
    if share < LEAST_FREE:
        yield Finding(
            check="disk",
            state=State.BAD if share < LEAST_FREE / 5 else State.WARN,
            english=said,
            thai=f"เหลือที่ว่าง {usage.free / 1e9:,.1f} GB จาก {usage.total / 1e9:,.1f} GB",
            mend="prathu retention status tells how long it lasts; add a disk before it is full",
            mend_thai="ดู prathu retention status ว่าพอใช้อีกกี่วัน และเพิ่มดิสก์ก่อนเต็ม",
        )
    else:
        yield good("disk", said)
    encrypted = _encrypted(ground.home.stat().st_dev)
    if encrypted:
        yield good("disk", "the home lies on an encrypted volume")
    elif encrypted is False:
        yield Finding(
            check="disk",
            state=State.WARN,
            english="the home lies on a volume that is not encrypted: whoever takes the disk "
            "reads logs and keys, and what was destroyed may be found again",
            thai="ข้อมูลอยู่บนดิสก์ที่ไม่ได้เข้ารหัส ผู้ที่ได้ดิสก์ไปจะอ่านบันทึกและกุญแจได้",
            mend="set up the box on a LUKS2 volume; it cannot be done afterwards without copying",
            mend_thai="ติดตั้งระบบบนวอลุ่ม LUKS2 ถ้าใช้อยู่แล้วต้องสำรองแล้วกู้คืนลงวอลุ่มใหม่",
        )


def _encrypted(device: int) -> bool | None:
    """Say whether a block device is under dm-crypt; None where that cannot be seen."""
    here = SYS / "dev/block" / f"{os.major(device)}:{os.minor(device)}"
    if not here.exists():
        return None
    seen, ahead = set[str](), [here.resolve()]
    while ahead and len(seen) < 64:
        at = ahead.pop()
        if at.name in seen:
            continue
        seen.add(at.name)
        if _text(at / "dm/uuid").startswith("CRYPT-"):
            return True
        below = at / "slaves"
        if below.is_dir():
            ahead += [path.resolve() for path in below.iterdir()]
        elif (at / "partition").exists():
            ahead.append(at.parent)
    return False


def _number(path: Path) -> int | None:
    text = _text(path)
    return int(text) if text.isdecimal() else None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
