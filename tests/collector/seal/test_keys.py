"""Secrets, rings and epochs on the disk."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from collector import durable
from collector.errors import SealError
from collector.seal.fault import Refused
from collector.seal.keys import KEK, Rings, Secrets, SiteKeys, read_ring, ring_key
from tests.collector.seal.school import BEGIN, SITE, Noise

SEGMENT = f"{SITE}/demo/7"
RING = f"keys/{SITE}/2027-03-04.ring"


def put(path: Path, data: bytes, mode: int) -> None:
    durable.replace(path, data, mode=mode)


def rings(home: Path) -> Rings:
    return Rings(home, bytes(32), random=Noise(), put=put)


def test_secrets_are_for_their_owner_alone(tmp_path: Path) -> None:
    secrets = Secrets(tmp_path, random=Noise())
    key = ring_key(secrets, random=Noise())
    assert ring_key(secrets, random=Noise(2)) == key
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "secrets" / KEK).stat().st_mode & 0o777 == 0o600


def test_wrapped_secrets_open_only_under_their_name_and_credential(tmp_path: Path) -> None:
    secrets = Secrets(tmp_path, random=Noise(), wrap=bytes(32))
    secrets.write("prathu.kek", b"k" * 32)
    assert b"k" * 8 not in (tmp_path / "secrets/prathu.kek").read_bytes()
    assert secrets.read("prathu.kek") == b"k" * 32
    (tmp_path / "secrets/prathu.kek").rename(tmp_path / "secrets/other")
    for wrong in (secrets, Secrets(tmp_path, random=Noise(), wrap=b"1" * 32)):
        with pytest.raises(SealError, match="does not open"):
            wrong.read("other")


def test_a_ring_gives_back_what_was_wrapped_last(tmp_path: Path) -> None:
    held = rings(tmp_path)
    held.add(SEGMENT, BEGIN, b"a" * 32)
    held.add(f"{SITE}/demo/71", BEGIN, b"b" * 32)
    held.add(SEGMENT, BEGIN, b"c" * 32)
    assert held.get(SEGMENT, BEGIN) == b"c" * 32
    held.drop(SEGMENT, BEGIN)
    assert held.get(f"{SITE}/demo/71", BEGIN) == b"b" * 32
    with pytest.raises(Refused, match="no school"):
        held.get(SEGMENT, BEGIN)
    assert (tmp_path / RING).stat().st_mode & 0o777 == 0o600


def test_a_torn_last_line_is_dropped(tmp_path: Path) -> None:
    held = rings(tmp_path)
    held.add(SEGMENT, BEGIN, b"a" * 32)
    whole = (tmp_path / RING).read_bytes()
    (tmp_path / RING).write_bytes(whole + whole[:50])
    assert held.get(SEGMENT, BEGIN) == b"a" * 32
    held.add(f"{SITE}/demo/8", BEGIN, b"b" * 32)
    assert held.get(f"{SITE}/demo/8", BEGIN) == b"b" * 32
    assert (tmp_path / RING).read_bytes().count(b"\n") == 2


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_no_changed_byte_of_a_ring_gives_another_key(at: int, flip: int) -> None:
    cipher = AESGCM(bytes(32))
    data = bytearray(RING_BYTES)
    data[at % len(data)] ^= flip
    try:
        found = read_ring(bytes(data), cipher)
    except Refused as refused:
        assert refused.number == "E-24"
        return
    assert found == {}  # the last newline went, and its line with it


def _ring() -> bytes:
    with tempfile.TemporaryDirectory() as name:
        rings(Path(name)).add(SEGMENT, BEGIN, b"a" * 32)
        return (Path(name) / RING).read_bytes()


RING_BYTES = _ring()


def test_the_old_epoch_key_is_gone_after_the_hand_over(tmp_path: Path) -> None:
    keys = SiteKeys(Secrets(tmp_path, random=Noise()), SITE, random=Noise(3))
    _, first = keys.begin(f"{SITE}/ledger/2027")
    following = keys.next_epoch(f"{SITE}/ledger/2027")
    assert keys.epoch(first.vkey.text) is not None
    keys.hand_over(following.vkey.text)
    assert keys.epoch(first.vkey.text) is None
    assert keys.epoch(following.vkey.text) is not None
    assert not list((tmp_path / "secrets").glob("*.next"))


def test_a_next_key_that_was_never_committed_replaces_nothing(tmp_path: Path) -> None:
    keys = SiteKeys(Secrets(tmp_path, random=Noise()), SITE, random=Noise(3))
    _, first = keys.begin(f"{SITE}/ledger/2027")
    keys.next_epoch(f"{SITE}/ledger/2027")
    keys.hand_over(first.vkey.text)
    assert keys.epoch(first.vkey.text) is not None


def test_keys_of_a_new_year_replace_those_of_the_last(tmp_path: Path) -> None:
    keys = SiteKeys(Secrets(tmp_path, random=Noise()), SITE, random=Noise(3))
    old = keys.begin(f"{SITE}/ledger/2027")
    new = keys.begin(f"{SITE}/ledger/2028")
    assert {k.vkey.text for k in old}.isdisjoint(k.vkey.text for k in new)
    assert keys.log(old[0].vkey.text) is None
    assert keys.begin(f"{SITE}/ledger/2028")[0].text == new[0].text
