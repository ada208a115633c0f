"""RADIUS: accounting that is durable before it is answered, devices by MAC, passwords.

The whole box runs, and is sent 200 requests at a time that were made beforehand
(`tests.bench.radius_load`). Beside it FreeRADIUS writes the same packets with its SQL module to
SQLite, as its package has it.

Run: python -m tests.bench.radius [requests]
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session as Database

from captive_portal.database import open_database
from captive_portal.people.accounts import Kind, NewAccount, People
from captive_portal.people.devices import DeviceKind, DeviceRow
from captive_portal.radius.freeradius import program
from captive_portal.sessions.rows import SessionRow
from tests.bench import radius_load as load
from tests.captive_portal.freeradius import SECRET, free_ports
from tests.integration import box as boxes
from tests.integration.box import Box
from tests.integration.machine import Machine, wait_for

REQUESTS, PASSWORDS, DEVICES, AT_ONCE = 30_000, 600, 2000, 200
PEER_REQUESTS, PEER_AT_ONCE = 400, 8
ACCOUNTS = 200
SITE = "bench"
USER_NAME, NAS_ADDRESS, FRAMED_ADDRESS, CALLING, STATUS_TYPE, SESSION_ID = 1, 4, 8, 31, 40, 44
_QUERIES = Path("/etc/freeradius/3.0/mods-config/sql/main/sqlite")
_CONF = """
name = radiusd
raddbdir = {folder}
libdir = /usr/lib/freeradius
logdir = {folder}
run_dir = {folder}
max_requests = 16384
hostname_lookups = no
proxy_requests = no
log {{
    destination = stdout
}}
security {{
    max_attributes = 200
    reject_delay = 0
}}
thread pool {{
    start_servers = 5
    max_servers = 32
    min_spare_servers = 3
    max_spare_servers = 10
}}
client loopback {{
    ipaddr = 127.0.0.1
    secret = {secret}
}}
instantiate {{
    expr
}}
modules {{
    sql {{
        driver = "rlm_sql_sqlite"
        dialect = "sqlite"
        sqlite {{
            filename = "{folder}/accounting.db"
            busy_timeout = 5000
            bootstrap = "{queries}/schema.sql"
        }}
        radius_db = "radius"
        acct_table1 = "radacct"
        acct_table2 = "radacct"
        postauth_table = "radpostauth"
        authcheck_table = "radcheck"
        groupcheck_table = "radgroupcheck"
        authreply_table = "radreply"
        groupreply_table = "radgroupreply"
        usergroup_table = "radusergroup"
        delete_stale_sessions = yes
        client_table = "nas"
        group_attribute = "SQL-Group"
        pool {{
            start = 1
            min = 1
            max = 4
            spare = 1
            uses = 0
            retry_delay = 1
            lifetime = 0
            idle_timeout = 60
        }}
        $INCLUDE {queries}/queries.conf
    }}
    expr {{
    }}
}}
server default {{
    listen {{
        type = acct
        ipaddr = 127.0.0.1
        port = {port}
    }}
    preacct {{
        update request {{
            &Acct-Unique-Session-Id := "%{{md5:%{{User-Name}},%{{Acct-Session-Id}}}}"
        }}
    }}
    accounting {{
        sql
    }}
}}
"""


def run(folder: Path, requests: int = REQUESTS, passwords: int = PASSWORDS) -> dict[str, Any]:
    """Measure the box, then its peer."""
    folder.mkdir(parents=True, exist_ok=True)
    with Machine(folder) as machine:
        figures = _box(machine, requests, passwords)
    return figures | _peer(folder / "peer", requests)


def _box(machine: Machine, requests: int, passwords: int) -> dict[str, Any]:
    ports = boxes.free_ports(*boxes.PORTS)
    box = Box(machine, machine.folder / "home")
    wide = "[radius]\npackets_per_second = 1000000\n"
    settings = boxes.loopback_settings(ports).replace("[radius]\n", wide)
    box.init(site=SITE, settings=settings)
    _people(box.home)
    box.up()
    secret = (box.home / "nas" / "loopback").read_bytes().strip()
    status = box.home / "run" / "portal.json"
    listening = json.loads(status.read_text())["listening"]
    ask, tell = listening["radius_authentication"], listening["radius_accounting"]
    try:
        starts = load.accounting(_starts(requests), secret)
        devices = load.access(_devices(requests), secret)
        typed = load.access(_passwords(passwords), secret)
        told = load.send(tell, starts, secret, at_once=AT_ONCE)
        figures = {
            "accounting_per_s": told.per_s,
            "accounting_sent_again": told.again,
            "load_cores": told.cpu,
            "mac_per_s": load.send(ask, devices, secret, at_once=AT_ONCE).per_s,
            "pap_per_s": load.send(ask, typed, secret, at_once=32).per_s,
        }
        engine = open_database(box.home)
        with Database(engine) as db:
            kept = db.scalar(select(func.count()).select_from(SessionRow)) or 0
        engine.dispose()
        return figures | {"accounting_lost": requests - kept}
    finally:
        box.down()


def _people(home: Path) -> None:
    engine, now = open_database(home), datetime.now(UTC)
    person = People(engine).add(NewAccount(site=SITE, account="wipa", kind=Kind.TEACHER), now=now)
    People(engine).add(NewAccount(site=SITE, account="somchai", password="correct horse"), now=now)
    for number in range(ACCOUNTS):
        People(engine).add(NewAccount(site=SITE, account=f"pupil{number}"), now=now)
    with Database(engine) as db, db.begin():
        for number in range(DEVICES):
            row = DeviceRow(site=SITE, mac=_mac(number, ":"), person=person.id, name="printer")
            row.kind, row.since, row.seen_at, row.until = DeviceKind.OWNED, now, now, None
            db.add(row)
    engine.dispose()


def _mac(number: int, between: str = "-") -> str:
    octets = (0x00, 0x00, 0x5E, 0x00, number >> 8 & 255, number & 255)
    return between.join(f"{octet:02x}" for octet in octets)


def _starts(count: int) -> Iterator[load.Attributes]:
    for n in range(count):
        yield (
            (USER_NAME, b"pupil%d" % (n % ACCOUNTS)),
            (SESSION_ID, b"S%d" % n),
            (STATUS_TYPE, (1).to_bytes(4, "big")),
            (CALLING, _mac(n).encode()),
            (NAS_ADDRESS, bytes((127, 0, 0, 1))),
            (FRAMED_ADDRESS, bytes((10, n >> 16, n >> 8 & 255, n & 255))),
        )


def _devices(count: int) -> Iterator[tuple[load.Attributes, bytes]]:
    for n in range(count):
        mac = _mac(n % DEVICES).encode()
        yield ((USER_NAME, mac), (CALLING, mac)), mac


def _passwords(count: int) -> Iterator[tuple[load.Attributes, bytes]]:
    for n in range(count):
        yield ((USER_NAME, b"somchai"), (CALLING, _mac(n).encode())), b"correct horse"


def _peer(folder: Path, requests: int) -> dict[str, Any]:
    """Measure FreeRADIUS with its SQL module; nothing where it is not installed."""
    found = program()
    if found is None or not (_QUERIES / "queries.conf").exists():
        return {}
    folder.mkdir()
    (port,) = free_ports(1)
    told = _CONF.format(folder=folder, secret=SECRET, queries=_QUERIES, port=port)
    (folder / "radiusd.conf").write_text(told)
    log = folder / "log"
    argv = [found, "-f", "-l", str(log), "-d", str(folder), "-n", "radiusd"]
    process = subprocess.Popen(argv)
    try:
        wait_for("FreeRADIUS", lambda: log.exists() and "Ready to process" in log.read_text())
        # Each row is a transaction of its own there: many at once would only time out.
        few = _starts(min(requests, PEER_REQUESTS))
        made = load.accounting(few, SECRET.encode())
        taken = load.send(port, made, SECRET.encode(), at_once=PEER_AT_ONCE)
        return {"freeradius_accounting_per_s": taken.per_s}
    finally:
        process.terminate()
        process.wait()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="prathu-bench-") as made:
        wanted = int(sys.argv[1]) if len(sys.argv) > 1 else REQUESTS
        print(json.dumps(run(Path(made) / "radius", wanted, wanted // 50), indent=1))
