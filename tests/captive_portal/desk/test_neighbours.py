"""The kernel's own word on who is at which address; and anything else is left out."""

import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from captive_portal.desk.neighbours import Heard, Neighbours, read
from tests.conftest import REPO

MAC = bytes.fromhex("020000000005")
REACHABLE, STALE, FAILED = 0x02, 0x04, 0x20


def message(
    address: bytes,
    link: bytes = MAC,
    *,
    state: int = REACHABLE,
    flags: int = 0,
    kind: int = 28,
    seconds: tuple[int, int] | None = None,
) -> bytes:
    """Return what the kernel says; `seconds`: since it was confirmed, and since it changed."""
    body = struct.pack("=BBHiHBB", 2, 0, 0, 7, state, 0, 0)
    attributes = [(1, address), (2, link)]
    if seconds is not None:
        confirmed, changed = seconds
        attributes.append((3, struct.pack("=IIII", confirmed * 100, 0, changed * 100, 0)))
    for number, value in attributes:
        padded = value + bytes(-len(value) % 4)
        body += struct.pack("=HH", 4 + len(value), number) + padded
    return struct.pack("=IHHII", 16 + len(body), kind, flags, 0, 0) + body


FOUR, SIX = bytes([10, 20, 0, 5]), bytes.fromhex("20010db8" + "00" * 11 + "05")


def test_both_families_and_several_in_a_datagram() -> None:
    assert list(read(message(FOUR) + message(SIX, state=STALE, flags=2))) == [
        Heard(7, "10.20.0.5", "02:00:00:00:00:05", answers=True, asked=False),
        Heard(7, "2001:db8::5", "02:00:00:00:00:05", answers=False, asked=True, ago_s=45.0),
    ]


@pytest.mark.parametrize(
    "datagram",
    [
        message(FOUR, state=FAILED),
        message(FOUR, kind=29),
        message(FOUR, b"\x02" * 8),
        message(b"\x0a\x14", MAC),
        message(FOUR)[:-1],
        message(FOUR)[:20],
        b"",
    ],
)
def test_what_says_nothing_of_a_device_is_left_out(datagram: bytes) -> None:
    assert list(read(datagram)) == []


@given(
    st.binary(max_size=120)
    | st.tuples(st.integers(0, 43), st.binary(max_size=4)).map(
        lambda cut: message(FOUR)[: cut[0]] + cut[1] + message(FOUR)[cut[0] + len(cut[1]) :]
    )
)
def test_any_bytes_end_in_entries_or_nothing(datagram: bytes) -> None:
    assert len(list(read(datagram))) <= len(datagram)


def heard(listener: Neighbours, *messages: bytes, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return which addresses would be handed on after these messages."""
    monkeypatch.setattr("socket.if_indextoname", lambda _: "br1")
    for one in messages:
        for entry in read(one):
            listener._hear(entry)
    new, listener._new = [address for address, _ in listener._new], {}
    return new


def test_what_is_left_behind_in_a_zone_does_not_call_its_device_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    listener = Neighbours(["br1"])
    with listener:
        assert heard(listener, message(FOUR), monkeypatch=monkeypatch) == ["10.20.0.5"]
        left_behind = message(FOUR, state=STALE)
        listed = message(FOUR, flags=2)
        assert heard(listener, left_behind, listed, monkeypatch=monkeypatch) == []
        assert heard(listener, message(FOUR), monkeypatch=monkeypatch) == ["10.20.0.5"]
        new = message(SIX, state=STALE)
        assert heard(listener, new, monkeypatch=monkeypatch) == ["2001:db8::5"]
        assert listener.of("02:00:00:00:00:05") == ["10.20.0.5", "2001:db8::5"]
        assert listener.of("") == []


def test_who_was_at_an_address_for_a_moment_is_handed_on_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other = message(FOUR, bytes.fromhex("020000000066"))
    with Neighbours(["br1"]) as listener:
        came = heard(listener, other, message(FOUR), other, monkeypatch=monkeypatch)
        assert came == ["10.20.0.5", "10.20.0.5"]
        assert listener.of("02:00:00:00:00:66") == ["10.20.0.5"]


LEFT = bytes([10, 20, 9, 9])


@pytest.mark.parametrize("left_first", [True, False])
@pytest.mark.parametrize(
    ("here", "seconds"),
    [(REACHABLE, (40, 40)), (STALE, (70, 10))],
    ids=["reachable", "heard of since"],
)
def test_where_a_device_was_last_does_not_hang_on_the_order_of_the_kernels_list(
    monkeypatch: pytest.MonkeyPatch, left_first: bool, here: int, seconds: tuple[int, int]
) -> None:
    """Of IPv4 a session gets the address used last, also after a restart, and each minute."""
    listed = [
        message(LEFT, state=STALE, flags=2, seconds=(60, 30)),
        message(FOUR, state=here, flags=2, seconds=seconds),
    ]
    with Neighbours(["br1"]) as listener:
        for _ in range(2):
            heard(listener, *(listed if left_first else listed[::-1]), monkeypatch=monkeypatch)
            assert listener.of("02:00:00:00:00:05")[-1] == "10.20.0.5"


def test_an_entry_that_turns_stale_is_no_word_of_its_device(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with Neighbours(["br1"]) as listener:
        turns = message(LEFT, state=STALE)
        heard(listener, message(LEFT), message(FOUR), turns, monkeypatch=monkeypatch)
        assert listener.of("02:00:00:00:00:05") == ["10.20.9.9", "10.20.0.5"]


PLAY = """
import asyncio, subprocess
from captive_portal.desk.neighbours import Neighbours

def ip(*words): subprocess.run(["ip", *words], check=True)

def neighbour(address, last, device):
    mac = f"02:00:00:00:00:0{last}"
    ip("neigh", "replace", address, "lladdr", mac, "dev", device, "nud", "reachable")

async def main():
    ip("link", "add", "sess-a", "type", "veth", "peer", "name", "sess-b")
    ip("link", "set", "sess-a", "up")
    ip("link", "set", "sess-b", "up")
    neighbour("10.20.0.4", 4, "sess-a")
    seen, done = {}, asyncio.Event()

    async def see(pairs):
        seen.update(pairs)
        if len(seen) == 3:
            done.set()

    async def attempt(_, do):
        await do()

    with Neighbours(["sess-a"]) as listener:
        async with asyncio.TaskGroup() as group:
            follows = group.create_task(listener.follow(see, attempt))
            await asyncio.sleep(0)
            neighbour("10.20.0.9", 9, "sess-b")
            neighbour("10.20.0.5", 5, "sess-a")
            neighbour("2001:db8::5", 5, "sess-a")
            async with asyncio.timeout(60):
                await done.wait()
            follows.cancel()
    print(sorted(seen.items()))

asyncio.run(main())
"""


@pytest.mark.skipif(os.getuid() != 0, reason="namespaces of one's own need root")
@pytest.mark.skipif(shutil.which("ip") is None, reason="ip (iproute2) is not installed")
def test_the_real_kernel_is_heard_and_other_interfaces_are_not(tmp_path: Path) -> None:
    script = tmp_path / "play.py"
    script.write_text(PLAY)
    done = subprocess.run(
        ["unshare", "--net", sys.executable, str(script)],
        cwd=REPO,
        env={**os.environ, "PYTHONPATH": str(REPO)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(
        [
            ("10.20.0.4", "02:00:00:00:00:04"),
            ("10.20.0.5", "02:00:00:00:00:05"),
            ("2001:db8::5", "02:00:00:00:00:05"),
        ]
    )
