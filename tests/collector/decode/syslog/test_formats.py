"""Every format's sample lines give its golden rows, and no format trips over any text."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.decode.syslog import messages, vendors
from collector.decode.syslog.formats import FORMATS
from collector.decode.syslog.header import Header
from collector.decode.syslog.reading import COLUMNS, Format, Reading
from collector.seal.canonical import check_types, read_schema
from collector.store.schema import EVENTS, FLOWS
from tests.collector.decode.syslog import golden

NAMES = [one.name for one in FORMATS]
SAMPLES = [line for name in NAMES for line in golden.lines_of(name)]
_MARKS = [mark for one in FORMATS for mark in (*one.marks, *one.programs)]
_PIECES = st.sampled_from(
    [
        *_MARKS,
        *(
            "a",
            "=",
            '"',
            "|",
            ",",
            " ",
            "\\",
            "(",
            ")",
            "[",
            "<1> ",
            ": ",
            "->",
            "10.5.50.10",
            "::",
        ),
        *("203.0.113.5:443", "02:00:00:00:00:01", "key=value ", 'key="value" ', "1234567890"),
    ]
)
_TEXTS = st.one_of(
    st.text(max_size=300),
    st.lists(_PIECES, max_size=60).map("".join),
    st.sampled_from(SAMPLES).flatmap(
        lambda line: st.builds(
            lambda at, piece, size: line[:at] + piece + line[at + size :],
            st.integers(0, len(line)),
            st.one_of(st.text(max_size=5), _PIECES),
            st.integers(0, 40),
        )
    ),
)


@pytest.mark.parametrize("name", NAMES)
def test_the_sample_lines_of_a_format_give_its_golden_rows(name: str) -> None:
    lines, expected = golden.lines_of(name), golden.golden_of(name)
    assert len(lines) == len(expected)
    for line, row, want in zip(lines, golden.rows(lines), expected, strict=True):
        assert row == want, line
        assert row["event"]["vendor"] == name


_CARRIERS = (
    '<30>Nov 22 15:00:00 web nginx[9]: 203.0.113.9 - - "GET /?{} HTTP/1.1" 404 12',
    "<30>Nov 22 15:00:00 web postfix/smtpd[9]: NOQUEUE: reject: RCPT from <{}>: rejected",
    "<86>Nov 22 15:00:00 web sshd[9]: Invalid user {} from 203.0.113.9 port 40000",
    "<30>1 2026-11-22T15:00:00+07:00 web webapp 9 - - login failed: user '{}' from 203.0.113.9",
    "<30>1 2026-11-22T15:00:00+07:00 web webapp 9 - - {} could not be found",
    "<30>Nov 22 15:00:00 gw system,error,critical login failure for user {} from 203.0.113.9 via x",
    "<30>Nov 22 15:00:00 gw hotspot,info,debug {} (10.0.0.9): login failed: invalid password",
    "<30>Nov 22 15:00:00 px squid[9]: 1795356964.1 5 203.0.113.9 TCP_MISS/200 5 GET {} - H/-",
)


@pytest.mark.parametrize("carrier", _CARRIERS)
def test_what_a_stranger_types_into_a_program_is_no_word_of_a_firewall(carrier: str) -> None:
    texts = [re.sub(r"^<\d+>(1 )?", "", line)[:3000] for line in SAMPLES]
    texts += [
        "malee (10.0.0.7): logged in",
        "malee logged in, 10.0.0.7",
        "User[malee@02:00:00:00:00:01] joins",
    ]
    for text in (*texts, *(text.replace(" ", "+") for text in texts)):
        told = messages.read(golden.frames([carrier.replace("{}", text)]))
        assert told.flows is None, text
        assert all(one.event == "reject" for one in told.sign_ins), text


def test_every_format_has_a_module_of_its_name_and_sample_lines() -> None:
    folder = Path(vendors.__file__).parent / "formats"
    modules = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    assert modules == set(NAMES)
    assert {path.stem for path in golden.HERE.glob("*.log")} == set(NAMES)
    assert len(set(NAMES)) == len(FORMATS)


def test_sample_lines_make_rows_that_can_be_sealed() -> None:
    told = messages.read(golden.frames(SAMPLES))
    check_types(EVENTS.table(told.events), read_schema(EVENTS.document))
    assert told.flows is not None
    check_types(FLOWS.table(told.flows), read_schema(FLOWS.document))
    assert not told.unread
    assert told.read.total() == len(SAMPLES)


@given(st.sampled_from(FORMATS), _TEXTS, st.sampled_from([None, "kernel", "%ASA-6-302013"]))
def test_a_format_reads_any_text_or_leaves_it(one: Format, text: str, code: str | None) -> None:
    reading = one.read(Header("rfc3164", text, app_name=code, msg_id=code))
    if reading is None:
        return
    assert isinstance(reading, Reading)
    assert reading.columns.keys() <= COLUMNS
    assert all(type(value) is str for value in reading.columns.values())
    assert all(type(value) is str for value in reading.rest.values())
    assert reading.flow in ("", "start", "end")
    assert reading.sign_in in ("", "start", "update", "stop", "reject", "claim")


@given(st.lists(_TEXTS, min_size=1, max_size=8))
def test_any_lines_make_rows_that_can_be_sealed(lines: list[str]) -> None:
    frames = golden.frames([line.encode("utf-8", "replace").decode() for line in lines])
    told = messages.read(frames)
    table = EVENTS.table(told.events)
    assert table.num_rows == len(lines)
    check_types(table, read_schema(EVENTS.document))
    for text in table["fields"].to_pylist():
        assert text is None or isinstance(json.loads(text), dict)
    assert told.read.total() + len(told.unread) == len(lines)
    if told.flows is not None:
        check_types(FLOWS.table(told.flows), read_schema(FLOWS.document))


@given(st.lists(_TEXTS, min_size=1, max_size=8))
def test_rows_do_not_depend_on_how_lines_were_batched(lines: list[str]) -> None:
    frames = golden.frames([line.encode("utf-8", "replace").decode() for line in lines])
    whole = EVENTS.table(messages.decode(frames)).to_pylist()
    assert [EVENTS.table(messages.decode([f])).to_pylist()[0] for f in frames] == whole


_LONG = 65_536
_HOSTILE = (
    *("a", "a=", 'a="', 'a="b" ', "=", '"', "|", ",", "\\", " ", "1", "1,", "A=1 ", "(", "[", "{"),
    *("10.1.1.1", "::", "02:", "user ", "for ", "[a", '{"a":', "a:1->", "%ASA-6-302013: "),
    "CEF:0|",
    *(
        "0|",
        "LEEF:2.0|",
        "a=b|",
        " STA ",
        "@@1,a,",
        '"a"="b",',
        "-a",
        "a.",
        "aa:bb:",
        "<1> ",
        "x-y=",
    ),
)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("one", FORMATS, ids=NAMES)
def test_no_long_line_keeps_a_format_busy(one: Format) -> None:
    size = _LONG if one.whole else vendors.READ
    heads = ["", *golden.lines_of(one.name), *one.marks]
    for head in heads:
        for piece in _HOSTILE:
            text = (head + piece * (size // len(piece)))[:size]
            one.read(Header("rfc3164", text))


def test_a_line_that_is_cut_says_so() -> None:
    line = golden.lines_of("fortigate")[0] + ' msg="' + "x" * vendors.READ + '"'
    row = EVENTS.table(messages.decode(golden.frames([line]))).to_pylist()[0]
    assert row["fault"] == "only the first 16384 characters were taken apart"
    assert row["src_ip"] == "10.5.50.10"
    assert row["raw"] == line
