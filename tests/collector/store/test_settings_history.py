"""Settings are committed to with a salt, each change once, also over a crash."""

import hashlib
import json
import os
from pathlib import Path

from collector.store.settings_history import SettingsHistory


def history(folder: Path) -> SettingsHistory:
    return SettingsHistory(folder, random=os.urandom)


def commitment(path: Path) -> str:
    record = json.loads(path.read_bytes())
    return hashlib.sha256(bytes.fromhex(record["salt"]) + record["document"].encode()).hexdigest()


def test_the_first_settings_and_the_same_again_are_no_change(tmp_path: Path) -> None:
    assert history(tmp_path).changed("a = 1") is None
    assert history(tmp_path).changed("a = 1") is None


def test_a_change_commits_to_both_documents(tmp_path: Path) -> None:
    history(tmp_path).changed("a = 1")
    pair = history(tmp_path).changed("a = 2")
    history(tmp_path).told()
    assert pair == (commitment(tmp_path / "0.json"), commitment(tmp_path / "1.json"))
    assert history(tmp_path).changed("a = 2") is None


def test_a_crash_before_the_entry_gives_the_same_pair_again(tmp_path: Path) -> None:
    history(tmp_path).changed("a = 1")
    first = history(tmp_path).changed("a = 2")
    assert history(tmp_path).changed("a = 2") == first


def test_back_to_the_old_before_it_was_told_is_no_change(tmp_path: Path) -> None:
    history(tmp_path).changed("a = 1")
    history(tmp_path).changed("a = 2")
    assert history(tmp_path).changed("a = 1") is None


def test_equal_documents_have_unlike_commitments(tmp_path: Path) -> None:
    told = []
    for document in ("a", "b", "a"):
        pair = history(tmp_path).changed(document)
        history(tmp_path).told()
        told.append(pair)
    assert told[1] is not None
    assert told[2] is not None
    assert told[1][0] != told[2][1]
