"""The table of information elements: its form, what it must know, and the program that makes it."""

from __future__ import annotations

import importlib.util
import re
from collections import Counter
from datetime import date
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType

import pytest

from collector.decode import elements
from tests.conftest import REPO

TABLE = REPO / "collector/decode/elements.csv"
VENDORS = REPO / "packaging/elements/vendors.csv"
TYPES = {
    "octetArray", "unsigned8", "unsigned16", "unsigned32", "unsigned64", "unsigned256", "signed8",
    "signed16", "signed32", "signed64", "float32", "float64", "boolean", "macAddress", "string",
    "dateTimeSeconds", "dateTimeMilliseconds", "dateTimeMicroseconds", "dateTimeNanoseconds",
    "ipv4Address", "ipv6Address", "basicList", "subTemplateList", "subTemplateMultiList",
}  # fmt: skip
"""Of RFC 7012 section 3.1, RFC 6313 and RFC 9740."""
REGISTRY = """<?xml version="1.0"?>
<registry xmlns="http://www.iana.org/assignments" id="ipfix"><updated>2026-01-02</updated>
<registry id="ipfix-information-elements">
<record><name>Reserved</name><elementId>0</elementId></record>
<record><name>p2pTechnology
</name><dataType>string</dataType><elementId>288</elementId></record>
<record><name>Unassigned</name><elementId>534-32767</elementId></record>
<record xmlns:c="http://www.cert.org/ipfix"><name>payload</name><dataType>octetArray</dataType>
<c:enterpriseId>6871</c:enterpriseId><elementId>18</elementId></record>
</registry></registry>
"""


@pytest.fixture(scope="module")
def maker() -> ModuleType:
    """The program, as a module."""
    loader = SourceFileLoader("make_elements", str(REPO / "packaging/elements/make"))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def test_the_table_says_as_of_when_the_registry_is() -> None:
    told = re.search(r"# IANA's registry .* as of (\S+)", TABLE.read_text(encoding="utf-8"))
    assert told
    assert date.fromisoformat(told[1]) >= date(2026, 7, 22)


def test_every_element_has_one_name_and_a_type_that_is_known() -> None:
    known = elements.table()
    names = Counter((each.pen, each.name) for each in known.values())
    assert [name for name, times in names.items() if times > 1] == []
    assert {each.type for each in known.values()} == TYPES & {e.type for e in known.values()}
    assert all(re.fullmatch(r"[A-Za-z][A-Za-z0-9]*", each.name) for each in known.values())
    assert all(0 < number < 1 << 16 for _, number in known)


def test_the_table_is_in_order_and_holds_all_of_the_vendors(maker: ModuleType) -> None:
    known = elements.table()
    assert list(known) == sorted(known)
    for key, (name, kind) in maker.vendors(VENDORS).items():
        assert (known[key].name, known[key].type) == (name, kind)


@pytest.mark.parametrize(
    ("pen", "number", "name"),
    [
        (0, 1, "octetDeltaCount"),
        (0, 371, "userName"),
        (0, 533, "pathDelaySumDeltaMicroseconds"),
        (0, 40000, "aaaUserName"),
        (0, 45003, "appHTTPHost"),
        (0, 57591, "ntopL7ProtocolName"),
        (9, 12235, "appHTTPHost"),
        (637, 93, "natSubscriber"),
        (6871, 179, "dnsName"),
        (6871, 16399, "reverseUnionTCPFlags"),
        (29305, 1, "reverseOctetDeltaCount"),
        (35632, 205, "ntopDnsQuery"),
        (2636, 137, "2636/137"),
        (0, 32000, "32000"),
    ],
)
def test_elements_are_called_by_their_names_or_else_by_their_numbers(
    pen: int, number: int, name: str
) -> None:
    assert elements.lookup(pen, number).name == name


def test_the_program_takes_what_a_registry_publishes(maker: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "ipfix.xml"
    path.write_text(REGISTRY, encoding="utf-8")
    changed, found = maker.registry(path)
    assert changed == "2026-01-02"
    assert found == {(0, 288): ("p2pTechnology", "string"), (6871, 18): ("payload", "octetArray")}
    by_hand = {(0, 288): ("other", "unsigned8"), (9, 1): ("own", "unsigned8")}
    assert maker.table([(changed, found)], by_hand).splitlines()[1:] == [
        "# IANA's registry of IPFIX entities as of 2026-01-02",
        "pen,id,name,type",
        "0,288,p2pTechnology,string",
        "9,1,own,unsigned8",
        "6871,18,payload,octetArray",
    ]
