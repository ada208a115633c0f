"""Lines read by the pattern of their shape give what finding pair by pair gives."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from collector.decode.syslog.columns import encode
from collector.decode.syslog.reading import NOTHING, pairs, split
from collector.decode.syslog.shapes import Line, Shapes

_NAMES = {"date": "", "srcip": "src_ip", "dstip": "dst_ip", "user": "account", "mac": "mac"}
_KEYS = [*_NAMES, "type", "logid", "level", "msg", "app", "a.b", "c-d", "e"]
_WANTED = frozenset(("type", "logid", "app"))
_VALUES = st.one_of(
    st.text('ab1 .:\\,%s"\n\x01ก\u00a0', max_size=6), st.sampled_from(["10.5.50.10", "N/A", ""])
)


def _line(keys: list[str], values: list[str], quoted: list[bool]) -> str:
    return " ".join(
        f'{key}="{value}"' if quote else f"{key}={value}"
        for key, value, quote in zip(keys, values, quoted, strict=True)
    )


def _long_way(text: str) -> Line:
    found = pairs(text)
    columns, rest, *_ = split(found, _NAMES)
    return Line(dict(found), columns, encode(rest) if rest else "")


@given(st.data())
def test_a_known_shape_reads_as_the_long_way_does(data: st.DataObject) -> None:
    keys = data.draw(st.permutations(_KEYS))
    quoted = data.draw(st.lists(st.booleans(), min_size=len(keys), max_size=len(keys)))
    shapes = Shapes(_NAMES, mark="logid=", wanted=_WANTED)
    for _ in range(20):
        shapes.read(_line(keys, ["x"] * len(keys), quoted))
    for values in data.draw(
        st.lists(st.lists(_VALUES, min_size=len(keys), max_size=len(keys)), max_size=5)
    ):
        text = _line(keys, values, quoted)
        got, want = shapes.read(text), _long_way(text)
        assert got.fields == want.fields
        assert {k: v for k, v in got.columns.items() if v not in NOTHING} == want.columns
        assert {k: got.told.get(k) for k in _WANTED} == {k: want.told.get(k) for k in _WANTED}


def test_a_flood_of_shapes_is_bounded() -> None:
    shapes = Shapes(_NAMES, mark="logid=", wanted=_WANTED)
    for shape in range(300):
        for _ in range(9):
            shapes.read(f"logid={shape} type=x srcip=10.5.50.10 dstip=a e=1 k{shape}=1 f=1 g=2 h=3")
    assert shapes.patterns <= 64
