"""`prathu inspect` on recorded datagrams of many exporters, on own captures, and on rubbish."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import pytest

from appliance.cli import main
from collector.decode import elements
from tests.conftest import REPO

SHARED = REPO.parent / "shared" / "data" / "netflow"
CAPTURES = REPO / "tests" / "captures"
CASES: list[dict[str, Any]] = (
    json.loads((SHARED / "cases.json").read_text(encoding="utf-8"))
    if (SHARED / "cases.json").is_file()
    else []
)
needs_cases = pytest.mark.skipif(not CASES, reason="../shared/data/netflow is not here")

Lines = list[dict[str, Any]]


class Answer:
    """What one run of the command printed."""

    def __init__(self, status: int, out: str, err: str) -> None:
        self.status = status
        self.err = err
        self.out = out

    @property
    def lines(self) -> Lines:
        return [json.loads(line) for line in self.out.splitlines()]


@pytest.fixture
def prathu(capsys: pytest.CaptureFixture[str]) -> Any:
    """Run the command line in this process."""

    def run(*arguments: str | Path) -> Answer:
        capsys.readouterr()
        try:
            main.run([str(argument) for argument in arguments])
        except SystemExit as leave:
            status = leave.code if isinstance(leave.code, int) else 0
        else:
            status = 0
        out, err = capsys.readouterr()
        return Answer(status, out, err)

    return run


def files_of(case: dict[str, Any], folder: Path) -> list[Path]:
    """Return the case's files; those of several datagrams are cut into one file each."""
    paths = [SHARED / name for name in case["datagrams"]]
    if not case.get("split") or paths[0].suffix == ".pcap":
        return paths
    content = paths[0].read_bytes()
    parts: list[Path] = []
    while content:
        count = int.from_bytes(content[2:4])
        size = 24 + 48 * count if content[1] == 5 else count
        parts.append(folder / f"{len(parts):03}.bin")
        parts[-1].write_bytes(content[:size])
        content = content[size:]
    return parts


@needs_cases
@pytest.mark.parametrize("case", CASES, ids=lambda case: case["case"])
def test_recorded_datagrams_give_their_records(
    case: dict[str, Any], prathu: Any, tmp_path: Path
) -> None:
    files = files_of(case, tmp_path)
    lines: Lines = prathu("inspect", *files).lines
    data = [line for line in lines if line["kind"] == "data"]
    options = [line for line in lines if line["kind"] == "option"]
    records = case["expected_records"] + case.get("expected_drop_samples", 0)
    assert len(data) == records
    assert len(options) == case["expected_option_records"]
    for selected in case["expected"].get("selected") or ():
        among = data if selected["kind"] == "data" else options
        if "decoded_only_after_buffering" in case:
            # The case lists the sets that waited last; here they stand where their template
            # released them.
            assert [] in [differences(line, selected) for line in among]
        else:
            assert differences(among[selected["index"]], selected) == []

    summary: dict[str, Any] = json.loads(prathu("--json", "inspect", "--summary", *files).out)
    assert summary["records"] == records
    for counted in ("counter_samples", "drop_samples"):
        assert summary[counted] == case.get(f"expected_{counted}", 0)
    assert summary["option_records"] == case["expected_option_records"]
    undecodable = sum(entry["sets"] for entry in summary["undecodable"])
    assert undecodable == case.get("expected_undecodable_sets", 0)
    assert summary["malformed"] == case.get("expected_malformed_datagrams", 0)
    assert summary["unsupported"] == case.get("expected_unsupported_datagrams", 0)


def differences(line: dict[str, Any], expected: dict[str, Any]) -> list[str]:
    """Return where a record differs from the selected values of a case."""
    found = []
    for key, value in expected["ie"].items():
        scope, name = named(key, line["protocol"])
        shown = line["scope" if scope else "elements"][name]
        if not same(shown, value):
            found.append(f"{name}: {shown!r} is not {value!r}")
    if line["template"] != expected["template"]:
        found.append(f"template {line['template']}")
    if "start_ms" in expected:
        times = moment(expected["start_ms"]), moment(expected["end_ms"])
        if (line["start"], line["end"]) != times:
            found.append(f"from {line['start']} to {line['end']}, not {times}")
    if expected.get("clock", "").startswith("unusable") and line["clock"] != "implausible":
        found.append(f"the clock is {line['clock']}")
    return found


def named(key: str, protocol: str) -> tuple[bool, str]:
    """Return whether a case's key is a scope field, and our name for it."""
    scope, key = key.startswith("scope:"), key.removeprefix("scope:")
    key, repeated, nth = key.partition("#")
    pen, _, number = key.rpartition("/")
    if scope and protocol == "netflow9":
        element = elements.scope(int(number))
    else:
        element = elements.lookup(int(pen or 0), int(number))
    return scope, f"{element.name}{repeated}{nth}"


def same(found: Any, value: Any) -> bool:
    """Compare values: a case shows names as bytes where its source did not know the element."""
    if found == value or (value == "" and found is None):
        return True
    if isinstance(value, str) and value.startswith("hex:"):
        octets = bytes.fromhex(value[4:])
        return found in (octets.hex(), octets.rstrip(b"\0").decode("utf-8", "replace"))
    if isinstance(value, str) and isinstance(found, int):
        return value.encode("latin-1") == found.to_bytes(max(1, len(value)))
    if isinstance(value, int) and isinstance(found, str):
        return value in as_integers(found)
    return False


def as_integers(text: str) -> list[int]:
    """Return what a text is as an integer, as address or as its bytes."""
    if text.count(".") == 3:
        return [int.from_bytes(bytes(int(part) for part in text.split(".")))]
    return [int.from_bytes(text.encode()), int(text, 16) if is_hex(text) else -1]


def is_hex(text: str) -> bool:
    return bool(text) and all(digit in "0123456789abcdef" for digit in text)


def moment(milliseconds: int) -> str:
    found = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)
    return found.isoformat(timespec="microseconds").replace("+00:00", "Z")


@pytest.mark.parametrize("path", sorted(CAPTURES.glob("*.pcap")), ids=lambda path: path.stem)
def test_own_captures_give_their_golden_lines(
    path: Path, prathu: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(CAPTURES)
    golden = path.with_suffix(".golden.jsonl").read_text(encoding="utf-8")
    assert prathu("inspect", path.name).lines == [json.loads(line) for line in golden.splitlines()]


def test_the_summary_tells_streams_templates_and_losses(prathu: Any) -> None:
    path = CAPTURES / "softflowd-ipfix-milli.pcap"
    summary: dict[str, Any] = json.loads(prathu("inspect", "--summary", path).out)
    (exporter,) = summary["exporters"]
    assert (exporter["exporter"], exporter["protocol"]) == ("192.0.2.10", "ipfix")
    assert exporter["records"] == summary["records"] == 8
    fields = {name for template in exporter["templates"] for name in template["fields"]}
    assert {"sourceIPv4Address", "flowStartMilliseconds", "systemInitTimeMilliseconds"} <= fields
    assert summary["losses"] == summary["undecodable"] == []


def test_only_datagrams_to_a_port_are_read_when_one_is_named(prathu: Any) -> None:
    path = CAPTURES / "softflowd-v5.pcap"
    every = prathu("inspect", path).lines
    assert len(every) == 6
    assert prathu("inspect", "--port", "2055", path).lines == every
    assert prathu("inspect", "--port", "9995", path).lines == []


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty file"),
        (b"x" * 70_000, "neither a capture nor"),
        (b"\xff\xff\0\0", "version 65535"),
        (b"\0\1\0\2", "NetFlow v1 is not read"),
        (b"\0\5\0\x1e" + b"\0" * 20, "promises 30 records"),
        (b"\xd4\xc3\xb2\xa1", "a capture without a whole header"),
    ],
)
def test_a_bad_file_is_one_clear_line(
    content: bytes, words: str, prathu: Any, tmp_path: Path
) -> None:
    path = tmp_path / "file.bin"
    path.write_bytes(content)
    answer = prathu("inspect", path)
    assert answer.status == 2
    assert answer.out == ""
    (line,) = answer.err.splitlines()
    assert str(path) in line
    assert words in line


def test_a_packet_of_4_gb_is_one_clear_line_and_is_counted(prathu: Any, tmp_path: Path) -> None:
    content = bytearray((CAPTURES / "scapy-v5.pcap").read_bytes())
    order: Literal["little", "big"] = "little" if content[0] in (0xD4, 0x4D) else "big"
    content[24 + 8 : 24 + 12] = (0xFFFF_FFFF).to_bytes(4, order)
    path = tmp_path / "absurd.pcap"
    path.write_bytes(content)
    answer = prathu("--json", "inspect", "--summary", path)
    assert answer.status == 2
    assert json.loads(answer.out)["cut"] == 1
    (line,) = answer.err.splitlines()
    assert f"{path}: the capture breaks off after 0 packets" in line
    assert "4,294,967,295 octets" in line


def test_a_file_that_is_not_there_does_not_hide_the_others(prathu: Any, tmp_path: Path) -> None:
    answer = prathu("inspect", tmp_path / "none", CAPTURES / "scapy-v5.pcap")
    assert answer.status == 2
    assert len(answer.lines) == 3
    assert answer.err.splitlines() == [
        f"prathu: {tmp_path / 'none'}: No such file or directory;"
        " wanted: pcap, pcapng, or one raw NetFlow, IPFIX or sFlow datagram"
    ]


def test_sets_without_template_are_told(prathu: Any, tmp_path: Path) -> None:
    payload = bytes.fromhex("0009000100000001690000000000000000000000" + "010000080001 0002")
    (tmp_path / "a.bin").write_bytes(payload)
    answer = prathu("inspect", tmp_path / "a.bin")
    assert answer.status == 0
    assert answer.err == "1 sets wait for a template that is not in these files\n"
