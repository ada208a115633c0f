"""RFC 5424: what is right is read, what is nearly right is read with its fault."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.decode.syslog import rfc5424
from collector.decode.syslog.header import Header
from collector.decode.syslog.messages import decode
from collector.records import Frame, FrameKind

VECTORS = Path(__file__).resolve().parents[5] / "shared" / "data" / "syslog" / "go-syslog"
OCTOBER_2003 = 1_065_910_455_003_000


def _parsed(text: str) -> Header:
    header = rfc5424.parse(text)
    assert header is not None
    return header


def test_every_field_is_read() -> None:
    text = (
        "<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog 7 ID47 "
        '[a@32473 iut="3" s="A \\"q\\" \\] \\\\"][b@32473 p="ก"] \ufeffAn entry'
    )
    assert _parsed(text) == Header(
        format="rfc5424",
        message="An entry",
        facility=20,
        severity=5,
        time_us=OCTOBER_2003,
        zoned=True,
        hostname="mymachine.example.com",
        app_name="evntslog",
        proc_id="7",
        msg_id="ID47",
        structured_data='[a@32473 iut="3" s="A \\"q\\" \\] \\\\"][b@32473 p="ก"]',
        fault=None,
    )


def test_nil_fields_are_nothing() -> None:
    assert _parsed("<0>1 - - - - - -") == Header("rfc5424", "", 0, 0)
    assert _parsed("<0>1 - - - - - - \tA").message == "\tA"


@pytest.mark.parametrize(
    ("time", "time_us"),
    [
        ("2003-10-11T22:14:15.003Z", OCTOBER_2003),
        ("2003-10-12T05:14:15.003000+07:00", OCTOBER_2003),
        ("2003-10-11T12:14:15.003-10:00", OCTOBER_2003),
        ("2546-10-12T05:14:15.003+07:00", OCTOBER_2003),
        ("2016-12-31T23:59:60Z", 1_483_228_800_000_000),
        ("1970-01-01T00:00:00Z", 0),
    ],
)
def test_times_are_read(time: str, time_us: int) -> None:
    header = _parsed(f"<13>1 {time} - - - - -")
    assert (header.time_us, header.zoned, header.fault) == (time_us, True, None)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("<13>1 2003-10-11T22:14:15 h - - - -", "a time in another form: 2003-10-11T22:14:15"),
        ("<13>1 2003-10-11T22:14:15z h - - - -", "a time in another form: 2003-10-11T22:14:15z"),
        ("<13>1 2003-09-31T22:14:15Z h - - - -", "no such time: 2003-09-31T22:14:15Z"),
        ("<13>1 2003-09-30T24:14:15Z h - - - -", "no such time: 2003-09-30T24:14:15Z"),
        ("<13>1 2003-09-30T22:14:61Z h - - - -", "no such time: 2003-09-30T22:14:61Z"),
        ("<13>1 0001-01-01T00:00:00+23:59 h - - - -", "no such time: 0001-01-01T00:00:00+23:59"),
        ("<13>1 9999-01-01T00:00:00Z h - - - -", "no such time: 9999-01-01T00:00:00Z"),
        ("<13>1 2003-09-30 h - - - -", "not a time: 2003-09-30"),
        ("<13>1 - h - - - text without", "structured data missing"),
        ("<13>1 - h - - - [a b]", "structured data malformed"),
        ('<13>1 - h - - - [a b="]"] x', "structured data malformed"),
        ('<13>1 - h - - - [a b="c"][a] x', "structured data repeats a name"),
        ('<13>1 - h - - - [a b="c"]x', "no space after structured data"),
        ("<199>1 - h - - - -", "no priority is 199"),
        (f"<13>1 - h {'a' * 49} - - -", "app name longer than 48"),
        (f"<13>1 - h - {'p' * 129} - -", "process id longer than 128"),
    ],
)
def test_faults_are_named_and_the_rest_is_read(text: str, fault: str) -> None:
    header = _parsed(text)
    assert header.fault == fault
    assert header.hostname == "h"


def test_what_stands_where_structured_data_is_missing_is_the_message() -> None:
    assert _parsed("<13>1 - h a - - text [of] it").message == "text [of] it"


def test_a_message_in_a_relays_envelope_is_the_one_inside() -> None:
    inner = "<34>1 2003-10-11T22:14:15.003Z inner su 5 ID47 - text"
    assert _parsed(f"<13>1 2020-01-01T00:00:00Z relay - - - - {inner}") == _parsed(inner)


def test_the_words_of_a_program_cannot_pass_for_a_header() -> None:
    header = _parsed("<13>1 2020-01-01T00:00:00Z h logger - - - <34>1 - bank su - - - forged")
    assert (header.hostname, header.app_name) == ("h", "logger")
    assert header.message == "<34>1 - bank su - - - forged"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<13>",
        "<13>1",
        "<13>1 - h",
        "<13>Jan  1 00:00:00 h",
        "<13>12 days",
        "<13>1 - h CEF:0|a b c - ",
    ],
)
def test_other_formats_are_not_taken(text: str) -> None:
    assert rfc5424.parse(text) is None


_WORD = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=32)
_NAME = st.text(st.sampled_from("abcXYZ09@._-"), min_size=1, max_size=32)
_VALUE = st.text(max_size=20).filter(lambda text: "\x00" not in text)


@given(
    names=st.lists(_WORD, min_size=4, max_size=4),
    data=st.dictionaries(_NAME, st.dictionaries(_NAME, _VALUE, max_size=3), max_size=3),
    message=st.text(max_size=50),
)
def test_what_is_written_after_the_grammar_is_read_without_fault(
    names: list[str], data: dict[str, dict[str, str]], message: str
) -> None:
    def escaped(value: str) -> str:
        return value.replace("\\", "\\\\").replace('"', '\\"').replace("]", "\\]")

    def element(name: str, parameters: dict[str, str]) -> str:
        pairs = [f'{key}="{escaped(value)}"' for key, value in parameters.items()]
        return f"[{' '.join([name, *pairs])}]"

    elements = "".join(element(name, parameters) for name, parameters in data.items())
    names[1] = "program"  # a header without one may be a relay's envelope
    header = _parsed(f"<13>1 - {' '.join(names)} {elements or '-'} {message}")
    assert header.fault is None
    assert [header.hostname, header.app_name, header.proc_id, header.msg_id] == [
        None if name == "-" else name for name in names
    ]
    assert header.structured_data == (elements or None)
    assert header.message == message.removeprefix("\ufeff")


def _vectors() -> list[dict[str, Any]]:
    path = VECTORS / "rfc5424_vectors.json"
    if not path.is_file():
        return []
    cases: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    return cases


def _bytes(case: dict[str, Any]) -> bytes:
    """Return a vector's bytes; those of invalid UTF-8 stand there as characters below U+0100."""
    if "input_hex" in case:
        return bytes.fromhex(case["input_hex"])
    text: str = case["input"]
    if case["valid"] is False and all(ord(character) < 256 for character in text):
        return text.encode("latin-1")
    return text.encode()


@pytest.mark.skipif(not _vectors(), reason="no go-syslog vectors in ../shared/data")
def test_vectors_valid_and_not() -> None:
    for case in _vectors():
        line = _bytes(case)
        frame = Frame(kind=FrameKind.SYSLOG, site="s", received_ns=0, wire_ns=0, payload=line)
        columns = decode([frame]).columns
        fault = columns["fault"].to_pylist()[0]
        clean = columns["format"].to_pylist() == ["rfc5424"] and fault is None
        if case["valid"] is not None:
            assert clean == case["valid"], (case, fault)
