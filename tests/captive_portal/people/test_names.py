"""One account has one name, however it is typed."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from captive_portal.people import names


@given(st.text(max_size=40))
def test_spellings_of_a_name_fold_to_one(text: str) -> None:
    forms = {
        names.folded(unicodedata.normalize(form, names.clean(text))) for form in ("NFC", "NFD")
    }
    assert len(forms) == 1
    assert names.folded(names.folded(text)) == names.folded(text)
    assert names.folded(f"  {text} ") == names.folded(text)


def test_case_and_composition_do_not_matter() -> None:
    assert names.folded("Somchai ") == names.folded("SOMCHAI")
    assert names.folded("กำ") != names.folded("กํ")


@pytest.mark.parametrize(
    "unseen", ["\u200b", "\u200d", "\u2060", "\ufeff", "\u202e", "\u2066", "\u00ad"]
)
def test_what_nobody_sees_makes_no_other_name(unseen: str) -> None:
    assert names.folded(f"som{unseen}chai") == names.folded("somchai")
    assert names.clean(f"{unseen}สมชาย{unseen}ใจดี") == "สมชายใจดี"
    assert names.fault(names.clean(unseen))


@pytest.mark.parametrize(
    "spelling",
    [
        "02-AA-00-00-00-01", "02:aa:00:00:00:01", "02aa.0000.0001", "02AA00000001",
        "02-AA-00-00-00-01:school", " 02-aa-00-00-00-01 ",
    ],
)  # fmt: skip
def test_every_spelling_of_a_mac_is_one(spelling: str) -> None:
    assert names.mac(spelling) == "02:aa:00:00:00:01"


@pytest.mark.parametrize("text", ["", "somchai", "02-AA-00-00-00", "02-AA-00-00-00-0G", "1" * 13])
def test_what_is_no_mac_gives_none(text: str) -> None:
    assert names.mac(text) == ""


@pytest.mark.parametrize(
    "account", ["", "a\0b", "a\u2028b", "x" * 254, "s\u043emchai", "\u0441omchai", "somcha\u03b9"]
)
def test_names_that_nobody_can_have(account: str) -> None:
    assert names.fault(account)


@pytest.mark.parametrize(
    "name", ["\u0410\u043d\u043d\u0430 (Anna)", "somchai2", "สมชาย Somchai", "émilie"]
)
def test_names_of_several_scripts_word_by_word(name: str) -> None:
    assert not names.fault(name)


TYPED = {"1": 1, " ๕๐๐ ": 500, "0005000": 5000}
NONE_TYPED = ["5001", "0", "", "-1", "1.5", "000000001000000", "9" * 5000, "\u00b2"]


@pytest.mark.parametrize(("text", "told"), [*TYPED.items(), *((one, None) for one in NONE_TYPED)])
def test_a_number_that_somebody_typed_is_within_bounds_or_none(text: str, told: int | None) -> None:
    assert names.number(text, 5000) == told
