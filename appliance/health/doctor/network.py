"""What others see of the box: its name, its certificate, the secrets that it shares."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

from appliance.health.doctor.finding import Finding, Ground, State, good
from captive_portal.errors import PortalError
from captive_portal.web.certificate import Certificate
from captive_portal.web.serving import SELF_MADE

SOON_DAYS = 21
SHORTEST_SECRET = 16
INSIDE = tuple(
    ipaddress.ip_network(network)
    for network in (
        *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8"),
        *("169.254.0.0/16", "fc00::/7", "fe80::/10", "::1/128"),
    )
)
"""What is not the Internet."""
LOSERS = "iPhone, iPad and Mac (iOS 14, macOS 11 and newer), Android 11 and newer"
LOSERS_THAI = "iPhone, iPad, Mac (iOS 14, macOS 11 ขึ้นไป) และ Android 11 ขึ้นไป"


def names(ground: Ground) -> Iterator[Finding]:
    """Ask the machine's resolvers for the names that the settings tell."""
    wanted = [urlsplit(ground.settings.sign_in.public_url).hostname or ""]
    wanted += [urlsplit(one.url).hostname or "" for one in ground.settings.timestamp_authorities]
    wanted += [urlsplit(one.url).hostname or "" for one in ground.settings.witnesses]
    asked = [name for name in dict.fromkeys(wanted) if name and not _is_address(name)]
    lost = [name for name in asked if not _resolves(name)]
    if lost:
        yield Finding(
            check="names",
            state=State.WARN,
            english=f"no address is found for {', '.join(lost)}",
            thai=f"หาที่อยู่ของชื่อเหล่านี้ไม่พบ: {', '.join(lost)}",
            mend="see /etc/resolv.conf, the line to the Internet, and the names in the settings",
            mend_thai="ตรวจ /etc/resolv.conf การเชื่อมต่ออินเทอร์เน็ต และชื่อในการตั้งค่า",
        )
    elif asked:
        yield good("names", f"found: {', '.join(asked)}")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _resolves(name: str) -> bool:
    try:
        return bool(socket.getaddrinfo(name, None))
    except OSError:
        return False


def certificate(ground: Ground) -> Iterator[Finding]:
    """Look at the page's https address and certificate, and say which devices lose what."""
    page = ground.settings.sign_in
    if not page.public_url:
        yield _not_told("sign_in.public_url is not set")
        return
    if page.tls_port is None:
        yield _not_told("sign_in.tls_port is not set, and public_url is an https address")
        return
    path = ground.home / (page.certificate or SELF_MADE)
    try:
        found = Certificate(path, ground.home / page.certificate_key)
        ends, self_made = found.ends(), found.self_made()
    except (PortalError, OSError, ValueError) as error:
        made_by_us = not page.certificate and not path.exists()
        yield _not_made() if made_by_us else _unusable(str(error))
        return
    days = (ends - ground.now).days
    if self_made:
        yield _not_told("its certificate is the box's own, of which browsers warn")
    if days < SOON_DAYS:
        yield Finding(
            check="certificate",
            state=State.BAD if days < 0 else State.WARN,
            english=f"the certificate of the sign-in page ends on {ends.date()}, in {days} days",
            thai=f"ใบรับรองของหน้าลงชื่อเข้าใช้หมดอายุในอีก {days} วัน",
            mend="prathu certificate --now, or put a new one where [sign_in] certificate says",
            mend_thai="สั่ง prathu certificate --now หรือวางใบใหม่ตาม [sign_in] certificate",
        )
    elif not self_made:
        yield good("certificate", f"good until {ends.date()}, {days} days")


def _not_told(why: str) -> Finding:
    return Finding(
        check="certificate",
        state=State.WARN,
        english=f"{why}: {LOSERS} get no captive-portal API (RFC 8908), and find the page by "
        "their own probes alone; nobody can be sent to the page by https",
        thai=f"อุปกรณ์ต่อไปนี้ใช้ API ของหน้าลงชื่อเข้าใช้ (RFC 8908) ไม่ได้ ต้องตรวจหาเอง: {LOSERS_THAI}",
        mend="a public name and certificate: set [sign_in] public_url, tls_port and certificate, "
        "or [acme]; docs/certificate.md",
        mend_thai="ใช้ชื่อสาธารณะและใบรับรองจริง: ตั้ง [sign_in] public_url, tls_port, certificate "
        "หรือ [acme] ดู docs/certificate.md",
    )


def _not_made() -> Finding:
    return good("certificate", "the box makes one itself when it starts; browsers warn of it")


def _unusable(error: str) -> Finding:
    return Finding(
        check="certificate",
        state=State.BAD,
        english=error,
        thai="ใช้ใบรับรองของหน้าลงชื่อเข้าใช้ไม่ได้",
        mend="both files are PEM and belong together; see [sign_in] certificate",
        mend_thai="ไฟล์ใบรับรองและกุญแจต้องเป็น PEM คู่เดียวกัน ดู [sign_in] certificate",
    )


def radius(ground: Ground) -> Iterator[Finding]:
    """Look at secrets of NASes: too short, or over the Internet without TLS (RadSec)."""
    wrong = 0
    for client in ground.settings.radius.clients:
        for finding in (
            *_over_the_internet(client.network),
            *_secret(ground, client.network, client.secret_file),
            *_unsigned(client.network, client.message_authenticator),
        ):
            wrong += 1
            yield finding
    if ground.settings.radius.clients and not wrong:
        yield good("radius", f"{len(ground.settings.radius.clients)} NAS entries are well")


def _over_the_internet(network: str) -> Iterator[Finding]:
    wanted = ipaddress.ip_network(network, strict=False)
    if any(wanted.version == one.version and wanted.subnet_of(one) for one in INSIDE):  # type: ignore[arg-type]  # of one version
        return
    yield Finding(
        check="radius",
        state=State.WARN,
        english=f"{network} speaks plain RADIUS over the Internet: names, MACs and times can be "
        "read on the way, and the secret be guessed",
        thai=f"{network} ใช้ RADIUS ที่ไม่เข้ารหัสผ่านอินเทอร์เน็ต ชื่อผู้ใช้และเวลาอ่านได้ระหว่างทาง",
        mend="RadSec by radsecproxy, or a tunnel; docs/radius.md",
        mend_thai="ใช้ RadSec ผ่าน radsecproxy หรืออุโมงค์ ดู docs/radius.md",
    )


def _secret(ground: Ground, network: str, file: str) -> Iterator[Finding]:
    try:
        length = len((ground.home / file).read_bytes().strip())
    except OSError as error:
        length, said = 0, f"{file}: {error.strerror}"
    else:
        said = f"{file} has {length} characters, fewer than {SHORTEST_SECRET}"
    if length >= SHORTEST_SECRET:
        return
    yield Finding(
        check="radius",
        state=State.BAD,
        english=f"the secret of {network}: {said}",
        thai=f"รหัสลับของ {network} อ่านไม่ได้หรือสั้นกว่า {SHORTEST_SECRET} ตัวอักษร",
        mend="write a new one there and in the NAS: "
        f"openssl rand -base64 24 > {ground.home / file}",
        mend_thai="สร้างรหัสลับใหม่แล้วใส่ทั้งในไฟล์นี้และใน NAS",
    )


def _unsigned(network: str, policy: str) -> Iterator[Finding]:
    if policy == "require":
        return
    yield Finding(
        check="radius",
        state=State.WARN,
        english=f"{network} may send requests that are not signed (message_authenticator = "
        f'"{policy}"): who is on the way can forge answers (CVE-2024-3596)',
        thai=f"{network} ส่งคำขอที่ไม่ลงลายเซ็นได้ ผู้ที่อยู่ระหว่างทางปลอมคำตอบได้ (CVE-2024-3596)",
        mend="update the NAS, then take the line out",
        mend_thai="ปรับรุ่นของ NAS แล้วเอาบรรทัดนี้ออก",
    )
