"""Identifiers of five kinds, and schools of three codes."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from captive_portal.errors import PortalError
from captive_portal.people import identifiers
from captive_portal.people.identifiers import IdKind
from captive_portal.people.keys import KEY, PersonKey, person_key
from captive_portal.settings import School


@pytest.mark.parametrize(
    ("text", "kind", "warns"),
    [
        ("1-1017-00230-70-0", IdKind.NATIONAL, True),
        ("๑๑๐๑๗๐๐๒๓๐๗๐๐", IdKind.NATIONAL, True),
        ("1111111111110", IdKind.NATIONAL, True),
        ("0000000000001", IdKind.ZERO, True),
        ("g000000000019", IdKind.G, False),
        ("AB1234567", IdKind.PASSPORT, False),
        ("ไม่มี", IdKind.OTHER, True),
        ("1234", IdKind.OTHER, True),
    ],
)
def test_each_kind_is_known_and_none_refused(text: str, kind: IdKind, warns: bool) -> None:
    found = identifiers.read(text)
    assert found is not None
    assert (found.kind, bool(found.warning)) == (kind, warns)
    assert not any(digit in found.warning for digit in found.text if digit.isdecimal())


@pytest.mark.parametrize(
    ("digits", "last"),
    [
        ("123456789012", "1"),
        ("110170023070", "8"),
        ("310123456789", "3"),
        ("110000000000", "8"),
        ("000000000000", "1"),
    ],
)
def test_the_checksum(digits: str, last: str) -> None:
    assert [n for n in range(10) if identifiers.checksum_fits(f"{digits}{n}")] == [int(last)]


def test_a_zero_that_a_spreadsheet_dropped_is_put_back_and_told() -> None:
    found = identifiers.read("000000000001")
    assert found is not None
    assert (found.text, "zero" in found.warning) == ("0000000000001", True)


def test_a_rounded_number_is_refused() -> None:
    for text in ("1.23E+12", "1E12", "1,10170E+12"):
        with pytest.raises(PortalError, match="rounded"):
            identifiers.read(text)


@given(st.text(max_size=20))
def test_any_text_is_an_identifier_nothing_or_an_error(text: str) -> None:
    try:
        found = identifiers.read(text)
    except PortalError as error:
        assert "1.23E+12" in str(error)
        return
    assert found is None or len(PersonKey(b"x" * 32).hash("id", found.text)) == 64


def test_a_school_is_found_by_any_code_and_no_other_by_arithmetic() -> None:
    school = School(site="a", ministry="1063020130", smis="63020130", obec="160271")
    for code in ("1063020130", "6302 0130", "160271", "๑๖๐๒๗๑"):
        assert identifiers.site_of_code([school], code) == "a"
    for code in ("", "63020131", "020130", "x"):
        assert identifiers.site_of_code([school], code) is None


def test_the_key_is_made_once_and_another_home_has_another(tmp_path: Path) -> None:
    for home in ("a", "b"):
        (tmp_path / home / KEY).parent.mkdir(parents=True)
    first = person_key(tmp_path / "a")
    assert first.hash("id", "1") == person_key(tmp_path / "a").hash("id", "1")
    assert first.hash("id", "1") != person_key(tmp_path / "b").hash("id", "1")
    assert first.hash("id", "1") != first.hash("voucher", "1")
    assert (tmp_path / "a" / KEY).stat().st_mode & 0o007 == 0
    (tmp_path / "a" / KEY).write_bytes(b"short")
    with pytest.raises(PortalError, match="cut short"):
        person_key(tmp_path / "a")
