"""The witness: what it signs, what it refuses, and that it never forgets."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from appliance.errors import BoxError
from appliance.hub import witness_state
from appliance.hub.witness_state import Conflict, Misspelt, Unbelieved, Unknown, Witness, key_of
from collector import durable
from collector.errors import Busy, CollectorError, SettingsError
from collector.seal import note, tree, witness
from collector.seal.fault import Refused
from collector.seal.note import Checkpoint, SigningKey
from collector.seal.witness import Cosigner
from tests.collector.seal import vectors

ORIGIN = "school.example.ac.th/ledger/2027"
LOG = SigningKey(ORIGIN, bytes([1]) * 32)
LEAVES = [tree.leaf_hash(bytes([n])) for n in range(20)]


def signed(size: int, *, leaves: list[bytes] = LEAVES, key: SigningKey = LOG) -> bytes:
    text = Checkpoint(ORIGIN, size, tree.root(leaves[:size])).text
    return text + b"\n" + key.sign(text)


def asked(old: int, new: int, **told: Any) -> bytes:
    leaves = told.get("leaves", LEAVES)
    proof = tree.consistency_proof(old, new, tree.subtree_of(leaves[:new])) if old else []
    return witness.request(old, proof, signed(new, **told))


class Hub:
    """A witness of one ledger."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.now_s = 1_800_000_000
        self.key = Cosigner("hub.example.go.th/witness", bytes([2]) * 32)
        self.logs = home / "logs"
        self.logs.write_text(f"# schools\nlog {LOG.vkey.text}\n")
        self.witness = self.another()
        self.witness.start()

    def another(self) -> Witness:
        return Witness(self.home, self.key, self.logs, clock=lambda: self.now_s * 10**9)

    def again(self) -> None:
        self.witness.stop()
        self.witness = self.another()
        self.witness.start()

    def size(self) -> int:
        return self.witness.seen()[ORIGIN].checkpoint.size


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    made = Hub(tmp_path)
    yield made
    made.witness.stop()


def test_it_signs_what_goes_on_from_what_it_saw(hub: Hub) -> None:
    for old, new in ((0, 3), (3, 3), (3, 8), (8, 20)):
        line = hub.witness.add_checkpoint(asked(old, new))
        text = note.parse(signed(new)).text
        assert witness.cosignature(line, hub.key.vkey, text)[1] == hub.now_s
        hub.again()
        assert hub.size() == new


def test_the_published_checkpoints_are_signed(hub: Hub) -> None:
    published = vectors.load("witness/witness_vectors.json")
    hub.logs.write_text(f"log {published['log_vkey']}\n")
    proof = [bytes.fromhex(part) for part in published["consistency_5_8_hex"]]
    first, second = published["cp5"].encode(), published["cp8"].encode()
    with pytest.raises(Conflict):
        hub.witness.add_checkpoint(witness.request(5, proof, second))
    hub.witness.add_checkpoint(witness.request(0, [], first))
    with pytest.raises(Refused):
        hub.witness.add_checkpoint(witness.request(5, proof[1:], second))
    line = hub.witness.add_checkpoint(witness.request(5, proof, second))
    assert witness.cosignature(line, hub.key.vkey, note.parse(second).text)
    hub.logs.write_text(f"log {published['other_vkey']}\n")
    with pytest.raises(Unknown):
        hub.witness.add_checkpoint(witness.request(8, [], second))


def test_what_it_must_not_sign_it_does_not(hub: Hub) -> None:
    hub.witness.add_checkpoint(asked(0, 8))
    forked = [*LEAVES[:5], tree.leaf_hash(b"another"), *LEAVES[6:]]
    stranger = SigningKey(ORIGIN, bytes([9]) * 32)
    for body, fault in (
        (asked(3, 5), Conflict),
        (asked(0, 12), Conflict),
        (asked(9, 12), Conflict),
        (witness.request(8, [], signed(8, leaves=forked)), Conflict),
        (asked(8, 12, leaves=forked), Refused),
        (witness.request(8, [], signed(12)), Refused),
        (asked(8, 12, key=stranger), Unbelieved),
        (asked(8, 12).replace(b"old 8", b"old 13"), Misspelt),
        (b"", Misspelt),
        (signed(12)[:-1], Misspelt),
    ):
        before = (hub.home / witness_state.STATE).read_bytes()
        with pytest.raises(fault):
            hub.witness.add_checkpoint(body)
        assert (hub.home / witness_state.STATE).read_bytes() == before
    with pytest.raises(Conflict) as conflict:
        hub.witness.add_checkpoint(asked(3, 5))
    assert conflict.value.size == 8
    bad = signed(12)[:-10] + b"AAAAAAAA=\n"
    with pytest.raises((Unbelieved, Misspelt)):
        hub.witness.add_checkpoint(witness.request(8, [], bad))


def test_nothing_is_signed_that_is_not_on_the_disk(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.witness.add_checkpoint(asked(0, 3))

    def full(point: str) -> None:
        if point.startswith(("write", "fsync", "rename")) and "witness.json" in point:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(durable, "fault", full)
    with pytest.raises(CollectorError, match="No space"):
        hub.witness.add_checkpoint(asked(3, 8))
    assert hub.size() == 3
    monkeypatch.undo()
    hub.witness.add_checkpoint(asked(3, 8))
    assert hub.size() == 8


def test_one_process_has_the_state_at_a_time(hub: Hub) -> None:
    with pytest.raises(Busy, match="in use by process"):
        hub.another().start()


def test_a_witness_that_forgot_does_not_start(hub: Hub) -> None:
    hub.witness.add_checkpoint(asked(0, 3))
    path = hub.home / witness_state.STATE
    for wrong in (
        b"",
        b"{}",
        b'{"format":"x","logs":{}}',
        path.read_bytes()[:-9],
        b"[]",
        b"[" * 9999,
    ):
        path.write_bytes(wrong)
        hub.witness.stop()
        with pytest.raises(BoxError, match=r"witness\.json cannot be read"):
            hub.another().start()


def test_the_file_of_ledgers_is_read_again_and_a_wrong_one_is_told(hub: Hub) -> None:
    hub.logs.unlink()
    with pytest.raises(Unknown):
        hub.witness.add_checkpoint(asked(0, 3))
    hub.logs.write_text(f"log {LOG.vkey.text}\nlog nonsense\n")
    with pytest.raises(SettingsError, match="line 2"):
        hub.witness.add_checkpoint(asked(0, 3))
    hub.logs.write_text(f"log {LOG.vkey.text}\n")
    hub.witness.add_checkpoint(asked(0, 3))


def test_a_clock_set_back_gives_no_earlier_time(hub: Hub) -> None:
    hub.witness.add_checkpoint(asked(0, 3))
    hub.now_s -= 86_400
    line = hub.witness.add_checkpoint(asked(3, 8))
    text = note.parse(signed(8)).text
    assert witness.cosignature(line, hub.key.vkey, text)[1] == hub.now_s + 86_400


def test_its_key_is_made_once_and_keeps_its_name(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="name is not set"):
        key_of(tmp_path, "")
    key = key_of(tmp_path, "hub.example.go.th/w")
    assert key_of(tmp_path, "hub.example.go.th/w").vkey == key.vkey
    with pytest.raises(SettingsError, match="keeps its name"):
        key_of(tmp_path, "another")
    secret = tmp_path / "secrets" / "prathu.witness"
    assert secret.stat().st_mode & 0o777 == 0o600
    secret.unlink()
    (tmp_path / "hub").mkdir()
    (tmp_path / "hub" / "witness.json").write_text(json.dumps({}))
    with pytest.raises(SettingsError, match="its key is not"):
        key_of(tmp_path, "hub.example.go.th/w")
