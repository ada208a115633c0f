"""What the entries of a ledger say: intervals, destruction, years, clocks."""

from __future__ import annotations

from typing import Any

from collector.seal.note import SigningKey
from tests.collector.seal.bundle.corpus.faults import fault, segment
from tests.collector.seal.bundle.forge import Forge
from tests.collector.seal.school import HOUR, SITE

DAY = 24 * HOUR

# E-01: the course of a log.


@fault("E-01")
def _an_interval_is_left_out(forge: Forge) -> None:
    forge.book.shown.remove(_empty_of_demo(forge)["index"])
    forge.resign()


def _empty_of_demo(forge: Forge) -> dict[str, Any]:
    empty = [entry for entry in forge.book.of("empty") if entry["index"] in forge.book.shown]
    return next(e for e in empty if "demo" in [row[0] for row in e["logs"]])


@fault("E-01")
def _seq_jumps(forge: Forge) -> None:
    _empty_row(forge)[1] += 1
    forge.resign()


@fault("E-01")
def _spool_jumps(forge: Forge) -> None:
    row = _empty_row(forge)
    row[2] += 1
    row[3] += 1
    forge.resign()


def _empty_row(forge: Forge) -> list[Any]:
    found: list[Any] = next(row for row in _empty_of_demo(forge)["logs"] if row[0] == "demo")
    return found


@fault("E-01")
def _intervals_overlap(forge: Forge) -> None:
    _empty_of_demo(forge)["start"] -= 1
    forge.resign()


@fault("E-01")
def _the_period_begins_before_what_is_shown(forge: Forge) -> None:
    forge.change("manifest.json", lambda m: m["query"].update({"from": m["query"]["from"] - 1}))


@fault("E-01")
def _the_period_ends_behind_what_is_shown(forge: Forge) -> None:
    forge.change("manifest.json", lambda m: m["query"].update({"to": m["query"]["to"] + 1}))


@fault("E-01")
def _a_segment_outside_of_the_period(forge: Forge) -> None:
    forge.change("manifest.json", lambda m: m["query"].update({"to": m["query"]["from"] + 1}))


@fault("E-01")
def _a_log_that_nothing_tells_of(forge: Forge) -> None:
    forge.change("manifest.json", lambda m: m["query"].update({"logs": ["demo", "flows"]}))


# E-02: destruction.


def _destroy(forge: Forge, seq: int, **more: Any) -> None:
    sealed = segment(forge, seq)
    time = int(sealed["received_max"]) + 91 * DAY
    entry = {
        "type": "destroyed",
        "segments": [["demo", seq, sealed["root"]]],
        "policy": "retention-90",
        "due": time,
        "holds_checked": 1,
        "actor": "box",
        "second": "policy",
        "method": "unlink",
        "backups_gone_by": time + 14 * DAY,
        "time": time,
    }
    forge.book.add({**entry, **more})
    forge.resign()


def _withdraw(forge: Forge, seq: int) -> None:
    """Take a segment out of what is shown; its entry stays."""
    name = f"{SITE}/demo/{seq}"

    def forget(manifest: Any) -> None:
        del manifest["completeness"][name], manifest["rowCounts"][name]

    forge.change("manifest.json", forget)
    for member in (f"records/{name}.jsonl", f"proofs/{name}.json", f"proofs/{name}.tlog-proof"):
        del forge.members[member]
    lines = forge.members["records.csv"].split(b"\r\n")
    kept = [line for line in lines if not line.startswith(f'"{name}"'.encode())]
    forge.members["records.csv"] = b"\r\n".join(kept)


@fault("valid")
def _a_segment_was_lawfully_destroyed(forge: Forge) -> None:
    _withdraw(forge, 0)
    _destroy(forge, 0)


@fault("valid")
def _a_segment_is_not_shown(forge: Forge) -> None:
    _withdraw(forge, 0)


@fault("E-02")
def _shown_though_destroyed(forge: Forge) -> None:
    _destroy(forge, 0)


@fault("E-02")
def _destroyed_before_it_was_due(forge: Forge) -> None:
    _withdraw(forge, 0)
    _destroy(forge, 0, due=int(segment(forge, 0)["received_max"]) + 92 * DAY)


@fault("E-02")
def _destroyed_within_90_days(forge: Forge) -> None:
    _withdraw(forge, 0)
    time = int(segment(forge, 0)["received_max"]) + 89 * DAY
    _destroy(forge, 0, time=time, due=time)


@fault("E-02")
def _destroyed_with_another_root(forge: Forge) -> None:
    _withdraw(forge, 0)
    _destroy(forge, 0, segments=[["demo", 0, "00" * 32]])


@fault("E-02")
def _destroyed_while_held(forge: Forge) -> None:
    _withdraw(forge, 0)
    forge.book.add(
        {
            "type": "hold", "hold": "h-1", "scope": [["demo", 0, 5]], "bundle": None,
            "until": None, "ref_commit": "11" * 32,
        }
    )  # fmt: skip
    _destroy(forge, 0)


@fault("E-02")
def _destroyed_by_one_person(forge: Forge) -> None:
    _withdraw(forge, 0)
    _destroy(forge, 0, second="box")


@fault("E-02")
def _a_segment_without_entry(forge: Forge) -> None:
    def rename(manifest: Any) -> None:
        for part in ("completeness", "rowCounts"):
            manifest[part][f"{SITE}/demo/77"] = manifest[part].pop(f"{SITE}/demo/0")

    forge.change("manifest.json", rename)
    for kind, end in (("records", "jsonl"), ("proofs", "json"), ("proofs", "tlog-proof")):
        old = forge.members.pop(f"{kind}/{SITE}/demo/0.{end}")
        forge.members[f"{kind}/{SITE}/demo/77.{end}"] = old


# E-22 and E-23: years, clocks.


@fault("E-22")
def _a_second_genesis(forge: Forge) -> None:
    genesis = forge.book.entries[0]
    forge.book.add({k: v for k, v in genesis.items() if k not in ("index", "time")})
    forge.resign()


@fault("E-22")
def _an_entry_behind_close(forge: Forge) -> None:
    forge.book.add({"type": "close", "next": f"{SITE}/ledger/2028"})
    clock = forge.book.of("clock")[-1]
    forge.book.add({k: v for k, v in clock.items() if k not in ("index", "time")})
    forge.resign()


@fault("E-22")
def _an_epoch_key_of_another_name(forge: Forge) -> None:
    stranger = SigningKey("other.example/ledger/2027/epoch", bytes([9]) * 32)
    forge.book.entries[0]["epoch_vkey"] = stranger.vkey.text
    forge.resign()


@fault("E-22", "new-year-c1")
def _another_previous(forge: Forge) -> None:
    old = forge.books[0]
    forge.books[1].entries[0]["previous"] = old.note(old.sizes[-1] - 1).decode()
    forge.books[1].keeps_previous = True
    forge.resign()


@fault("E-22", "new-year-c1")
def _no_previous_between_two_ledgers(forge: Forge) -> None:
    forge.books[1].entries[0]["previous"] = None
    forge.books[1].keeps_previous = True
    forge.resign()


@fault("E-22", "new-year-c1")
def _close_names_another_year(forge: Forge) -> None:
    forge.books[0].of("close")[0]["next"] = f"{SITE}/ledger/2029"
    forge.resign()


@fault("E-23")
def _the_time_goes_back(forge: Forge) -> None:
    segment(forge, 2)["time"] = segment(forge, 0)["time"] - 1
    forge.resign()


@fault("E-23")
def _another_clock(forge: Forge) -> None:
    segment(forge, 0)["clock"]["source"] = "gps"
    forge.resign()


@fault("E-23")
def _no_clock_before_an_interval(forge: Forge) -> None:
    first = min(segment(forge, 0)["index"], _empty_of_demo(forge)["index"])
    clocks = [entry["index"] for entry in forge.book.of("clock") if entry["index"] < first]
    forge.book.shown = [index for index in forge.book.shown if index not in clocks]
    forge.resign()


@fault("E-23")
def _an_interval_of_2570(forge: Forge) -> None:
    sealed = segment(forge, 2)
    sealed["event_max"] = str(18_900_000_000_000_000)
    forge.resign()
