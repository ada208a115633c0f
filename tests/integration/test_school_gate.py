"""The story of a school behind the box: phones join, pupils sign in, and all that follows.

Everything is seen from outside: from the phone, from the Internet, from the command line. The
tests share one school, whose people and devices are each test's own or left signed out.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from tests.integration import browser, inside
from tests.integration.box import PROCESSES, Box
from tests.integration.gate_school import API, BOX, MACS, PUBLIC, WEB, WEB6
from tests.integration.machine import Machine, require, wait_for
from tests.integration.whole_school import (
    ACCESS_POINT,
    PAGE,
    PASSWORD,
    PHONE_SIZE,
    PROBE,
    SECRET,
    THIRD,
    Download,
    WholeSchool,
)

MAY_CLOSE = "ใช้อินเทอร์เน็ตได้แล้ว"
SLOWED = "จึงใช้ได้ช้าลง"
BANGKOK = timezone(timedelta(hours=7))


@pytest.fixture(scope="module")
def school(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WholeSchool]:
    require("ip", "nft", "dnsmasq", "curl", "conntrack", "busybox", "chromium", "radclient")
    folder = tmp_path_factory.mktemp("school-gate")
    with Machine(folder) as machine:
        made = WholeSchool(machine, Box(machine, folder / "home"))
        try:
            made.open()
            yield made
            made.box.down()
        finally:
            made.close()


@pytest.fixture(autouse=True)
def everybody_leaves(school: WholeSchool) -> Iterator[None]:
    yield
    for one in school.box.rows("sessions", "--live"):
        school.box.prathu("kick", one["session"], check=False)


def test_a_lease_tells_of_the_api_and_a_probe_leads_to_the_page(school: WholeSchool) -> None:
    for name in ("phone", "laptop"):
        assert bytes.fromhex(school.leases[name]["opt114"]).decode() == API
    assert school.address("phone").startswith("10.20.1.")
    assert school.address("laptop").startswith("10.30.0.")
    for method in ("-i", "-I"):
        answer = school.curl("phone", method, PROBE)
        assert re.match(r"HTTP/1.1 302 ", answer), answer
        assert f"location: {PAGE}\n" in answer.lower()
    assert inside.connect(school.spaces["phone"], WEB, 443)[0] == "reset"
    told = school.api("phone")
    assert told == {"captive": True, "user-portal-url": PAGE}


@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
def test_a_pupil_signs_in_with_a_browser_and_is_named(school: WholeSchool, script: bool) -> None:
    account = f"somchai-{'a' if script else 'b'}"
    device = "phone" if script else "tablet"
    school.person(account)
    began = time.monotonic()
    page = browser.sign_in(
        school.browser(device), PROBE, account, PASSWORD, java_script_enabled=script, **PHONE_SIZE
    )
    print(f"signed in within {time.monotonic() - began:.1f} s, the browser's start among them")
    assert MAY_CLOSE in page
    assert f"{account} ใจดี" in page
    school.await_out(device)
    assert school.curl(device, PROBE) == "Success"
    told = school.api(device)
    assert told["captive"] is False
    assert 0 < told["seconds-remaining"] <= 12 * 3600

    with inside.dial(school.spaces[device], WEB, 5000) as wire:
        assert inside.echo(wire, b"x" * 1000)
        at, port = datetime.now(UTC).isoformat(), wire.getsockname()[1]
    [session] = school.live(account)
    assert session["bytes_in"] > 1000
    assert session["bytes_out"] > 1000
    school.run("gate", ["conntrack", "-D", "-p", "tcp", "--orig-port-src", str(port)], check=False)
    question = f"user:{account} AND src_port:{port}"
    wait_for("the flow", lambda: [r for r in school.log(question, "flows") if r.get("bytes")])
    [flow, *_] = [row for row in school.log(question, "flows") if row.get("bytes")]
    assert (flow["src_ip"], flow["nat_src_ip"]) == (school.address(device), PUBLIC)
    public = f"{PUBLIC}:{flow['nat_src_port']}"
    [answer] = school.box.rows("who", public, "--at", at, "--dst", f"{WEB}:5000")
    [reading] = answer["readings"]
    assert [person["account"] for person in reading["persons"]] == [account]


def test_a_kick_cuts_an_open_download(school: WholeSchool) -> None:
    school.person("kicked")
    school.sign_in("phone", "kicked")
    school.await_out("phone")
    [session] = school.live("kicked")
    with Download(school.spaces["phone"], WEB) as download:
        school.box.prathu("kick", session["session"][:8])
        done = time.monotonic()
        wait_for("the end of the download", download.ended)
        assert download.last - done < 2  # the program's own end is between the two
    assert not school.is_out("phone")
    assert school.api("phone")["captive"] is True
    assert cause(school, "kicked") == "Admin-Reset"


def test_one_device_more_ends_the_oldest_or_is_refused(school: WholeSchool) -> None:
    school.person("two", "two-devices", devices=2, at_limit="end-oldest")
    school.person("firm", "two-firm", devices=2, at_limit="reject")
    for name in ("phone", "tablet"):
        assert MAY_CLOSE in school.sign_in(name, "two")
    assert MAY_CLOSE in school.sign_in("third", "two")
    school.await_out("third")
    school.await_out("phone", False)
    assert school.is_out("tablet")

    for name in ("phone", "tablet"):
        school.sign_in(name, "firm")
    assert "ครบจำนวนเครื่อง" in school.sign_in("laptop", "firm")
    assert not school.is_out("laptop")
    assert school.is_out("phone")


def test_who_has_used_up_the_quota_is_slow(school: WholeSchool) -> None:
    school.person("slows", "slows", quota_day_mb=1, at_quota="slow", slow_kbit=512)
    school.sign_in("phone", "slows")
    school.await_out("phone")
    left = school.api("phone")["bytes-remaining"]
    assert 0 < left <= 1_000_000
    with inside.dial(school.spaces["phone"], WEB, 5000) as wire:
        for _ in range(20):
            assert inside.echo(wire, b"x" * 1000)
    school.portal("review")
    assert school.api("phone")["bytes-remaining"] <= left - 40_000
    bring(school, "phone", 1_000_000)
    wait_for("a slow session", lambda: SLOWED in school.curl("phone", "-L", f"{PAGE}session"))
    assert school.is_out("phone")


def test_a_quota_ends_in_the_middle_of_a_download_and_counts_nothing_twice(
    school: WholeSchool,
) -> None:
    """Though the portal is killed half-way, and nobody waits for the minute."""
    school.person("ends", "ends", quota_day_mb=5, at_quota="end")
    school.sign_in("phone", "ends")
    school.await_out("phone")
    before = carried(school)
    brought = bring(school, "phone", 1_000_000)
    number = school.box.pid("portal")
    school.box.kill("portal")
    brought += bring(school, "phone", 1_000_000)
    wait_for("another portal", lambda: another_portal(school, number), seconds=60)
    wait_for("its answer", lambda: school.api("phone")["bytes-remaining"], seconds=60)
    assert school.is_out("phone"), "two of five megabytes"
    brought += bring(school, "phone", 3_000_000)
    bring(school, "phone", 1 << 40)  # it does not come to that
    assert not school.is_out("phone")
    assert school.live("ends") == []
    [row] = [row for row in school.log("user:ends") if row["event"] == "stop"]
    assert row["cause"] == "quota"
    counted = row["bytes_in"] + row["bytes_out"]
    assert brought <= counted <= carried(school) - before + 1_000_000
    assert MAY_CLOSE not in school.sign_in("phone", "ends")


def carried(school: WholeSchool) -> int:
    """Return the bytes that have gone through the uplink, both ways."""
    folder = "/sys/class/net/wan0/statistics/"
    told = school.run("gate", ["cat", f"{folder}tx_bytes", f"{folder}rx_bytes"])
    return sum(int(word) for word in told.split())


def cause(school: WholeSchool, account: str) -> str:
    """Return why somebody's one session has ended, as the log says."""
    question = f"user:{account} AND event:stop"
    wait_for("the row of the end", lambda: school.log(question))
    [row] = school.log(question)
    return str(row["cause"])


def bring(school: WholeSchool, name: str, size: int) -> int:
    """Let a device send and get, as fast as it can; return the bytes, both ways.

    Args:
        school: Where.
        name: The device.
        size: When so many have passed it is done, or when none passes any more.
    """
    passed = 0
    with inside.dial(school.spaces[name], WEB, 5000) as wire, contextlib.suppress(OSError):
        wire.settimeout(3)
        while passed < size:
            wire.sendall(b"x" * 20_000)
            got = 0
            while got < 20_000:
                got += len(wire.recv(65536))
            passed += 40_000
    return passed


def test_the_end_of_the_hours_cuts(school: WholeSchool) -> None:
    school.person("early", "early")
    at = datetime.now(BANGKOK) + timedelta(seconds=25)
    minute = at.hour * 60 + at.minute
    ends = f"{(minute + 1) // 60:02}:{(minute + 1) % 60:02}"
    begins = max(0, minute - 60)
    school.group("early", hours=f"mon-sun {begins // 60:02}:{begins % 60:02}-{ends}")
    school.sign_in("phone", "early")
    school.await_out("phone")
    assert school.api("phone")["seconds-remaining"] <= 85
    with Download(school.spaces["phone"], WEB) as download:
        wait_for("the end of the hours", download.ended, seconds=120)
        over = datetime.now(BANGKOK)
    assert f"{over.hour:02}:{over.minute:02}" >= ends
    assert not school.is_out("phone")
    assert MAY_CLOSE not in school.sign_in("phone", "early")
    assert cause(school, "early") == "hours"


def test_signing_out_cuts(school: WholeSchool) -> None:
    school.person("leaves")
    school.sign_in("phone", "leaves")
    school.await_out("phone")
    with Download(school.spaces["phone"], WEB) as download:
        school.act("phone", "sign-out")
        wait_for("the end of the download", download.ended)
    assert not school.is_out("phone")
    assert school.live("leaves") == []


def test_ipv6_of_the_same_phone_is_in_the_same_session(school: WholeSchool) -> None:
    school.person("both")
    wait_for("an IPv6 address", lambda: school.address6("phone"))
    own = school.address6("phone")
    assert inside.connect(school.spaces["phone"], WEB6, 443)[0] != "open"
    school.sign_in("phone", "both")
    school.await_out("phone")
    school.await_out("phone", address=WEB6)
    [session] = school.live("both")
    assert set(session["addresses"].split()) >= {school.address("phone"), own}
    rows = school.log(f'user:both AND ip:"{own}"')
    assert {row["session"] for row in rows} == {session["session"]}
    assert school.api("phone", "-6")["captive"] is False
    school.box.prathu("kick", session["session"])
    school.await_out("phone", False, address=WEB6)


def test_neither_a_stolen_mac_nor_a_stolen_address_is_enough(school: WholeSchool) -> None:
    school.person("owner")
    school.sign_in("phone", "owner")
    school.await_out("phone")
    owners = school.address("phone")
    school.run("phone", ["ip", "link", "set", "eth0", "down"])
    thief = school.spaces["third"]
    try:
        # The same address from another device.
        take(school, THIRD, f"{owners}/20")
        assert inside.connect(thief, WEB, 443)[0] != "open"
        # The same device, as it says, with another address.
        take(school, MACS["phone"], "10.20.9.9/20")
        assert inside.connect(thief, WEB, 443)[0] != "open"
    finally:
        take(school, THIRD, f"{school.address('third')}/20")
        school.run("phone", ["ip", "link", "set", "eth0", "up"])
        school.lease("phone")


def take(school: WholeSchool, mac: str, address: str) -> None:
    """Let the third device be somebody."""
    for words in (
        ["link", "set", "eth0", "down"],
        ["link", "set", "eth0", "address", mac],
        ["link", "set", "eth0", "up"],
        ["address", "flush", "dev", "eth0", "scope", "global"],
        ["address", "add", address, "dev", "eth0"],
        ["route", "replace", "default", "via", BOX],
    ):
        school.run("third", ["ip", *words])


def test_an_access_point_asks_and_reports(school: WholeSchool) -> None:
    school.person("wireless")
    good = radius(school, "auth", "User-Name=wireless", f"User-Password={PASSWORD}")
    assert "Received Access-Accept" in good
    bad = radius(school, "auth", "User-Name=wireless", "User-Password=wrong-one")
    assert "Received Access-Reject" in bad
    session = [
        "User-Name=wireless", "Acct-Session-Id=0001", "Framed-IP-Address=10.20.5.5",
        "Calling-Station-Id=02-00-5e-10-05-05", f"NAS-IP-Address={ACCESS_POINT}",
    ]  # fmt: skip
    assert "Accounting-Response" in radius(school, "acct", "Acct-Status-Type=Start", *session)
    [found] = school.live("wireless")
    assert found["method"].startswith("accounting")
    radius(school, "acct", "Acct-Status-Type=Stop", "Acct-Session-Time=9", *session)
    assert school.live("wireless") == []
    # A device that is no access point is not listened to.
    assert "No reply" in radius(school, "auth", "User-Name=wireless", host="phone")


def radius(school: WholeSchool, what: str, *attributes: str, host: str = "ap") -> str:
    """Return what radclient says."""
    port = {"auth": 1812, "acct": 1813}[what]
    told = [*attributes, *(["Message-Authenticator=0x00"] if what == "auth" else [])]
    command = ["radclient", "-x", "-t", "3", "-r", "2", f"{BOX}:{port}", what, SECRET]
    both = ["sh", "-c", 'exec "$@" 2>&1', "sh", *command]
    return school.run(host, both, stdin="\n".join(told) + "\n", check=False)


def test_the_portal_is_killed_and_nobody_notices(school: WholeSchool) -> None:
    school.person("stays")
    school.sign_in("phone", "stays")
    school.await_out("phone")
    [before] = school.live("stays")
    with Download(school.spaces["phone"], WEB) as download:
        number = school.box.pid("portal")
        school.box.kill("portal")
        assert school.is_out("phone")
        wait_for("another portal", lambda: another_portal(school, number), seconds=60)
        wait_for("its answer", lambda: school.portal("review"), seconds=60)
        assert not download.ended()
    [after] = school.live("stays")
    assert after["session"] == before["session"]
    assert after["bytes_in"] >= before["bytes_in"]
    assert school.api("phone")["captive"] is False


def another_portal(school: WholeSchool, before: int) -> bool:
    """Say whether the portal has been started again."""
    try:
        return school.box.pid("portal") != before
    except (OSError, ValueError):
        return False


def test_after_a_power_cut_who_was_on_is_on_and_nobody_else(school: WholeSchool) -> None:
    school.person("was-on")
    school.person("was-off")
    for name, account in (("phone", "was-on"), ("tablet", "was-off")):
        page = school.sign_in(name, account)
        assert MAY_CLOSE in page, page
        school.await_out(name)
    school.act("tablet", "sign-out")
    school.portal("review")
    [before] = school.live("was-on")
    power_cut(school)
    assert not school.is_out("phone")
    school.start()
    school.await_out("phone")
    assert not school.is_out("tablet")
    [after] = school.live("was-on")
    assert after["session"] == before["session"]
    assert after["bytes_in"] >= before["bytes_in"]
    assert school.live("was-off") == []
    wait_for("what it says of the gap", lambda: gaps(school))
    assert len({row["session"] for row in school.log("user:was-on")}) == 1
    school.box.prathu("verify", "--deep")


def gaps(school: WholeSchool) -> list[str]:
    """Return what the log says of times in which the portal was away."""
    found = school.log("kind:restart", "coverage")
    return [row["note"] for row in found if "without being stopped" in row.get("note", "")]


def power_cut(school: WholeSchool) -> None:
    """End all processes at once, and let the kernel forget what it knew."""
    numbers = {school.box.pid(name) for name in (*PROCESSES, "privileged")}
    process = school.box.process
    assert process is not None
    for number in {process.pid, *numbers, *dnsmasqs(school.box.home)}:
        with contextlib.suppress(ProcessLookupError):
            os.kill(number, signal.SIGKILL)
    process.wait()
    school.box.process = None
    wait_for("their end", lambda: not any(Path(f"/proc/{number}").exists() for number in numbers))
    for stale in (school.box.home / "run").glob("*.pid"):
        stale.unlink()
    school.run("gate", ["nft", "flush", "ruleset"])
    school.run("gate", ["sysctl", "-qw", "net.ipv4.ip_forward=0"])
    school.run("gate", ["conntrack", "-F"], check=False)


def dnsmasqs(home: Path) -> list[int]:
    """Return the dnsmasqs of the box."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            with contextlib.suppress(OSError):
                words = (folder / "cmdline").read_bytes()
                if words.startswith(b"dnsmasq") and bytes(home) in words:
                    found.append(int(folder.name))
    return found
