"""A home may name elements of its own, never those that have a name."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.decode import elements, own_elements
from collector.errors import SettingsError
from collector.settings import Flows
from tests.collector.decode import wire
from tests.collector.homes import BEGIN, Home, flow_frame, ns

GOOD = """\
# of our own probes
pen,id,name,type
12345,1,roomName,string
12345, 2 ,roomNumber,unsigned16

0,8,sourceIPv4Address,ipv4Address
"""


@pytest.fixture(autouse=True)
def _named_nothing_after() -> Iterator[None]:
    yield
    elements.call({})


def test_elements_have_the_names_that_the_file_gives(tmp_path: Path) -> None:
    (tmp_path / "own.csv").write_bytes(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())
    assert own_elements.use(tmp_path, "own.csv") == 3
    assert elements.lookup(12345, 1).name == "roomName"
    assert elements.lookup(12345, 2).type == "unsigned16"
    assert elements.lookup(12345, 3).name == "12345/3"
    assert own_elements.use(tmp_path, "") == 0
    assert elements.lookup(12345, 1).name == "12345/1"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("0,8,other,ipv4Address", "line 2: 0/8 is sourceIPv4Address (ipv4Address) in IANA's"),
        ("0,8,sourceIPv4Address,unsigned32", "line 2: 0/8 is sourceIPv4Address"),
        ("637,93,mine,string", "line 2: 637/93 is natSubscriber (string) in the box's own table"),
        ("29305,1,mine,unsigned64", "line 2: 29305/1 is reverseOctetDeltaCount"),
        ("1,1,a,string\n1,1,b,string", "line 3: 1/1 stands there twice"),
        ("1,1,a", "line 2: 3 values in place of 4"),
        ("x,1,a,string", "line 2: 'x' is no pen"),
        ("1,65536,a,string", "line 2: '65536' is no id: it is 1 to 65535"),
        ("1,0,a,string", "line 2: '0' is no id"),
        ("1,1,a b,string", "line 2: 'a b' is no name"),
        ("1,1,a,text", "line 2: 'text' is no type; there are: "),
        ('1,1,"a,string', "line 2: "),
    ],
)
def test_what_is_wrong_is_told_in_one_line(line: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "own.csv").write_text(f"pen,id,name,type\n{line}\n")
    with pytest.raises(SettingsError) as told:
        own_elements.use(tmp_path, "own.csv")
    assert said in str(told.value)
    assert "\n" not in str(told.value)


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "latin").write_bytes(b"pen,id,name,type\n1,1,\xe9,string\n")
    (tmp_path / "long").write_text("#" * (own_elements.MOST_CHARACTERS + 9))
    (tmp_path / "head").write_text("1,1,a,string\n")
    for name, said in {
        "none": "No such file",
        "folder": "Is a directory",
        "latin": "is not UTF-8",
        "long": "longer than",
        "head": "line 1: the first line is pen,id,name,type",
    }.items():
        with pytest.raises(SettingsError, match=said):
            own_elements.use(tmp_path, name)


@given(st.text() | st.lists(st.sampled_from([*GOOD, "1,1,a,string\n", '"', "\0"])).map("".join))
def test_any_text_names_elements_or_is_refused(text: str) -> None:
    try:
        found = own_elements.parse(text)
    except ValueError as error:
        assert "\n" not in str(error)
        return
    assert all(key == (one.pen, one.id) for key, one in found.items())


def test_rows_bear_the_name(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.settings = home.settings.model_copy(update={"flows": Flows(elements_file="own.csv")})
    (tmp_path / "own.csv").write_text(GOOD)
    template = wire.ipfix_template(300, [(8, 4), (12, 4), (152, 8), (1, 65535, 12345)])
    record = wire.ip4("10.0.0.5") + wire.ip4("203.0.113.9")
    record += struct.pack(">Q", ns(BEGIN) // 1_000_000) + b"\x05lab-1"
    payload = wire.ipfix(
        template, wire.a_set(300, record), sequence=1, sent_s=int(BEGIN.timestamp())
    )
    home.write([flow_frame(BEGIN, 1, 1)._replace(payload=payload)])
    home.run()
    (row,) = home.sealed("flows").to_pylist()
    assert json.loads(row["extra"])["roomName"] == "lab-1"
