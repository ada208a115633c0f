"""Our ledgers in others' tools: aics-tlog and aics-witness, which share no code with ours.

They come from the package index, for Python 3.12 and later; elsewhere these tests skip.
"""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from appliance.hub.errands import carry_all
from collector.outside.asking import KEPT, Outside
from collector.seal import ledger, note, outside
from collector.settings import CollectorSettings
from tests.collector.outside.test_asking import KEY, Office
from tests.collector.seal.school import SITE


def tool(name: str) -> str:
    """Return a command of the environment, or skip the test."""
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        pytest.skip(f"no {name} here: it needs Python 3.12")
    return found


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, capture_output=True, text=True, timeout=60)


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    (tmp_path / "home").mkdir()
    made = Office(tmp_path / "home", tmp_path / "elsewhere", stamps=False)
    made.school.now_us = time.time_ns() // 1000
    for _ in range(300):  # more than one tile
        made.school.hour(0, step_us=1000)
    yield made
    made.outside.witness.stop()


def with_cosignatures(folder: Path, size: int) -> bytes:
    lines = [
        (folder / kept.name).read_bytes()
        for kept in outside.listed(folder)
        if kept.kind == outside.COSIGNATURES and kept.size == size
    ]
    return outside.signed_note(folder, size) + b"".join(lines)


def test_a_cosigned_checkpoint_and_its_tiles_are_accepted(office: Office, tmp_path: Path) -> None:
    verifier = tool("aics-tlog")
    assert office.carry() == [KEPT]
    folder, key = office.folder, office.school.sealer.log_vkey
    newest = outside.published(folder)
    assert newest is not None
    (tmp_path / "note").write_bytes(with_cosignatures(folder, newest.size))
    trust = ("--log-key", key, "--witness-key", KEY.vkey.text)
    told = run(
        *(verifier, "verify-checkpoint", "--note", str(tmp_path / "note"), *trust),
        *("--quorum", "1", "--origin", newest.origin),
    )
    assert told.returncode == 0, told.stdout + told.stderr
    other = run(
        *(verifier, "verify-checkpoint", "--note", str(tmp_path / "note"), "--log-key", key),
        *("--witness-key", note.parse_vkey(KEY.vkey.text).text, "--quorum", "2"),
    )
    assert other.returncode != 0
    for words in (("--index", "0"), ("--index", "256"), ("--index", str(newest.size - 1))):
        told = run(
            *(verifier, "verify-inclusion", "--tiles", str(folder), "--log-key", key, *words),
        )
        assert told.returncode == 0, told.stdout + told.stderr


@pytest.fixture
def foreign(tmp_path: Path) -> tuple[Path, str, str, int]:
    """Give the configuration of a witness that somebody else wrote: command, key and port."""
    command = tool("aics-witness")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = tmp_path / "witness.json"
    words = (command, "init", "--config", str(config), "--name", "witness.example/w1")
    made = run(*words, "--listen", f"127.0.0.1:{port}")
    assert made.returncode == 0, made.stderr
    key = next(
        w for w in (made.stdout + made.stderr).split() if w.startswith("witness.example/w1+")
    )
    return config, command, key, port


def test_a_witness_of_another_maker_signs_our_checkpoints(
    office: Office, foreign: tuple[Path, str, str, int]
) -> None:
    config, command, key, port = foreign
    added = run(
        *(command, "add-log", "--config", str(config)),
        *("--origin", outside.origin_of(office.folder), "--vkey", office.school.sealer.log_vkey),
    )
    assert added.returncode == 0, added.stderr
    record = {"key": key, "url": f"http://127.0.0.1:{port}"}
    settings = CollectorSettings.model_validate({"sites": [{"id": SITE}], "witnesses": [record]})
    asking = Outside(
        office.school.home, settings, clock=lambda: office.school.now_us * 1000, tell=None
    )
    doors = asking.handlers()

    def sealer(request: Any) -> dict[str, Any]:
        return doors[request["do"]](dict(json.loads(json.dumps(request))))

    with subprocess.Popen([command, "serve", "--config", str(config)]) as process:
        try:
            told: list[str] = []
            for _ in range(100):
                asking.status(now=True)
                carry_all(sealer, lambda: False, lambda came: told.append(came.told))
                if told[-1] == KEPT:
                    break
                time.sleep(0.1)
            assert told[-1] == KEPT
            office.school.hour(0, step_us=1000)
            carry_all(sealer, lambda: False, lambda came: told.append(came.told))
            assert told[-1] == KEPT
        finally:
            process.terminate()
    (folder,) = ledger.folders(office.school.home, SITE)
    kept = [one for one in outside.listed(folder) if one.kind == outside.COSIGNATURES]
    assert len(kept) == 2
