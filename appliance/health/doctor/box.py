"""The box itself: files and their rights, the database, ports, the part that runs as root."""

from __future__ import annotations

import errno
import os
import socket
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import create_engine, make_url, text
from sqlalchemy.exc import SQLAlchemyError

from appliance.health.doctor.finding import Finding, Ground, State, good
from appliance.privileged import plans
from captive_portal.database import FILE, POSTGRESQL_DRIVER
from captive_portal.errors import PortalError
from captive_portal.gate.wire import SOCKET
from collector.control import ask
from collector.errors import CollectorError

ASK_S = 4.0
SECRET_FOLDERS = ("secrets", "nas", "tls", "radius")
MOST_FILES = 2000


def rights(ground: Ground) -> Iterator[Finding]:
    """Look who may read what is secret in the home."""
    home = ground.home
    if not os.access(home, os.R_OK | os.W_OK | os.X_OK):
        yield Finding(
            check="home",
            state=State.BAD,
            english=f"{home} is not this user's to write",
            thai=f"ผู้ใช้นี้เขียนใน {home} ไม่ได้",
            mend="run prathu as the user of the box, or with sudo",
            mend_thai="ใช้คำสั่งในชื่อผู้ใช้ของระบบ หรือใช้ sudo",
        )
        return
    wide = [path for path in _secret(home) if _others_may(path)]
    if home.stat().st_mode & stat.S_IRWXO:
        wide.insert(0, home)
    if wide:
        shown = ", ".join(str(path) for path in wide[:3]) + (" …" if len(wide) > 3 else "")
        yield Finding(
            check="home",
            state=State.BAD,
            english=f"other users of this machine may read {shown}",
            thai=f"ผู้ใช้อื่นในเครื่องนี้อ่านได้: {shown}",
            mend=f"chmod -R o-rwx {home}",
            mend_thai=f"สั่ง chmod -R o-rwx {home}",
        )
    else:
        yield good("home", f"{home} is closed to other users")


def _secret(home: Path) -> Iterator[Path]:
    count = 0
    for folder in SECRET_FOLDERS:
        for path in (home / folder).rglob("*"):
            count += 1
            if count > MOST_FILES:
                return
            yield path


def _others_may(path: Path) -> bool:
    try:
        mode = path.lstat().st_mode
    except OSError:
        return False
    return stat.S_ISREG(mode) and bool(mode & (stat.S_IROTH | stat.S_IWOTH))


def database(ground: Ground) -> Iterator[Finding]:
    """Look whether the database can be read; nothing in it is changed."""
    url = ground.settings.database
    try:
        people = _on_server(url) if url else _in_home(ground.home / FILE)
    except (sqlite3.Error, SQLAlchemyError, OSError) as error:
        yield Finding(
            check="database",
            state=State.BAD,
            english=f"the database does not answer: {' '.join(str(error).split())[:200]}",
            thai="ฐานข้อมูลไม่ตอบ",
            mend="is the server up, and the disk not full? prathu restore brings back a backup",
            mend_thai="ตรวจว่าเซิร์ฟเวอร์ฐานข้อมูลทำงาน และดิสก์ไม่เต็ม หรือกู้จากสำรองด้วย prathu restore",
        )
    else:
        yield good("database", f"it answers; {people:,} accounts")


def _in_home(path: Path) -> int:
    if not path.exists():
        raise OSError(errno.ENOENT, "there is none yet", str(path))
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=ASK_S) as opened:
        return int(opened.execute("select count(*) from account").fetchone()[0])


def _on_server(url: str) -> int:
    named = make_url(url)
    if named.drivername == "postgresql":
        named = named.set(drivername=f"postgresql+{POSTGRESQL_DRIVER}")
    engine = create_engine(named, connect_args={"timeout": ASK_S} if "pg" in url else {})
    try:
        with engine.connect() as opened:
            return int(opened.execute(text("select count(*) from account")).scalar_one())
    finally:
        engine.dispose()


def ports(ground: Ground) -> Iterator[Finding]:
    """Look whether the ports of processes that do not run are free."""
    wrong = 0
    for process, what, kind, host, port in _ports(ground):
        if port == 0 or _running(ground.home, process):
            continue
        try:
            _try(kind, host, port)
        except OSError as error:
            wrong += 1
            yield _taken(what, host, port, error)
    if not wrong:
        yield good("ports", "no port is missing that the box needs")


def _ports(ground: Ground) -> Iterator[tuple[str, str, socket.SocketKind, str, int]]:
    """Yield process, section of the settings, kind, host and port."""
    settings, udp, tcp = ground.settings, socket.SOCK_DGRAM, socket.SOCK_STREAM
    listen = settings.listen
    for name in ("flows", "syslog_udp", "syslog_tcp", "syslog_tls", "ipfix_tcp", "ipfix_tls"):
        for at in getattr(listen, name):
            host, _, port = at.rpartition(":")
            kind = udp if name in ("flows", "syslog_udp") else tcp
            yield "receive", f"[listen] {name}", kind, host.strip("[]"), int(port)
    page, radius = settings.sign_in, settings.radius
    yield "portal", "[sign_in] port", tcp, page.host, page.port
    yield "portal", "[sign_in] tls_port", tcp, page.host, page.tls_port or 0
    for name in ("authentication_port", "accounting_port", "coa_port"):
        yield "portal", f"[radius] {name}", udp, radius.host, getattr(radius, name)
    yield "web", "[admin] port", tcp, settings.admin.host, settings.admin.port


def _try(kind: socket.SocketKind, host: str, port: int) -> None:
    """Bind a port for a moment. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, kind) as opened:
            if kind is socket.SOCK_STREAM:
                opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            opened.bind((host, port))
    except OSError as error:
        if host == "::" and error.errno in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL):
            _try(kind, "0.0.0.0", port)  # noqa: S104  # as the box itself does
            return
        raise


def _taken(what: str, host: str, port: int, error: OSError) -> Finding:
    if error.errno == errno.EACCES:
        mend = "let systemd start the box (it has CAP_NET_BIND_SERVICE), or choose a port over 1023"
        thai = "ให้ systemd เป็นผู้เริ่มระบบ หรือใช้พอร์ตเกิน 1023"
    elif error.errno == errno.EADDRNOTAVAIL:
        mend, thai = f"ip address shows those that there are; change {what}", f"แก้ {what}"
    else:
        mend = f"ss -lntup shows who has it: stop that program, or change {what}"
        thai = f"ดูด้วย ss -lntup ว่าโปรแกรมใดใช้อยู่ แล้วหยุดโปรแกรมนั้น หรือแก้ {what}"
    return Finding(
        check="ports",
        state=State.BAD,
        english=f"{what}: {host}:{port} cannot be had: {error.strerror}",
        thai=f"{what}: ใช้พอร์ต {port} ไม่ได้",
        mend=mend,
        mend_thai=thai,
    )


def _running(home: Path, process: str) -> bool:
    """Say whether a process of this home runs."""
    try:
        pid = int((home / "run" / f"{process}.pid").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return False
    return Path(f"/proc/{pid}").exists()


def helper(ground: Ground) -> Iterator[Finding]:
    """Ask the part that runs as root, where the box is a router."""
    try:
        if plans.of(ground.settings) is None:
            return
        told = ask(ground.home / SOCKET, {"id": 1, "do": "status"}, timeout=ASK_S)
    except (CollectorError, PortalError) as error:
        yield Finding(
            check="gate",
            state=State.BAD,
            english=f"the gate does not answer: {error}",
            thai="ส่วนที่กั้นเครือข่าย (ทำงานในสิทธิ root) ไม่ตอบ",
            mend="start it as root: systemctl start prathu-privileged, or "
            "sudo prathu up --only privileged; its journal says what is wrong",
            mend_thai="เริ่มในสิทธิ root ด้วย systemctl start prathu-privileged แล้วดูบันทึกของบริการนั้น",
        )
        return
    dead = sorted(name for name, alive in told.get("daemons", {}).items() if not alive)
    if dead:
        yield Finding(
            check="gate",
            state=State.BAD,
            english=f"not running: {', '.join(dead)}",
            thai=f"ไม่ทำงาน: {', '.join(dead)}",
            mend="the journal says why: journalctl -u prathu-privileged",
            mend_thai="ดูสาเหตุด้วย journalctl -u prathu-privileged",
        )
    else:
        yield good("gate", "the gate answers")
