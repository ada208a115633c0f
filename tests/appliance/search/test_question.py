"""Questions: what they mean, compared with a slow reading of the same, and what is refused."""

from __future__ import annotations

import fnmatch
import ipaddress
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.errors import WrongQuestion, WrongUse
from appliance.search import lucene, times
from appliance.search import question as questions
from appliance.search.newest import plain_schema
from appliance.search.question import Asked, Question
from collector.records import Binding
from collector.store.catalog import PersonName
from tests.appliance.search.homes import NOW_US, SITE, Row, flow, table

PEOPLE = {
    "p-1": ("somchai", "สมชาย ใจดี"),
    "p-2": ("suda", "สุดา รักเรียน"),
    "p-3": ("6501", "สมชาย มานะ"),
}


class Directory:
    """Three people, and the sessions that were learnt late."""

    def __init__(self, late: Sequence[Binding] = ()) -> None:
        self._late = late

    def people(self, sites: Sequence[str] | None, text: str | None = None) -> list[PersonName]:
        found = [
            PersonName(
                site=SITE,
                person=person,
                account=account,
                full_name=full_name,
                proofing="",
                first_us=0,
                last_us=0,
            )
            for person, (account, full_name) in PEOPLE.items()
            if sites is None or SITE in sites
        ]
        piece = (text or "").casefold()
        return [p for p in found if piece in f"{p.account}\n{p.full_name}".casefold()]

    def by_id(self, sites: Sequence[str] | None, person: str) -> list[PersonName]:
        return [p for p in self.people(sites) if p.person == person]

    def late(self, **_: Any) -> Sequence[Binding]:
        return self._late


def parse(text: str, *, log: str = "flows", late: Sequence[Binding] = (), **more: Any) -> Question:
    period = {"start_us": 0, "end_us": NOW_US, **more}
    return questions.parse(text, Asked(log=log, **period), Directory(late), now_us=NOW_US)


ADDRESSES = [
    *("10.0.0.1", "10.0.0.200", "10.0.16.5", "192.168.1.1", "203.0.113.9", "::1", "fe80::1"),
    *("2001:db8::1", "2001:db8:0:1::5", "::ffff:10.0.0.1", "fd00:1:2:3::4"),
]
NETWORKS = [
    *("10.0.0.0/24", "10.0.0.0/20", "10.0.0.0/9", "0.0.0.0/0", "fe80::/10", "2001:db8::/32"),
    *("fd00::/8", "::/0", "192.168.1.1/32", "2001:db8::/64"),
]
HOSTS = [
    "www.example.ac.th",
    "Example.org",
    "a*b.example",
    "100%.example",
    "o'brien",
    "ไทย.example",
]
MACS = ["02:00:5e:00:53:01", "02:00:5e:00:53:02"]
GLOBS = ["*.example.*", "*", "?xample.org", "www*", "*EXAMPLE", "a\\*b*", "100%*", "*th"]

rows = st.lists(
    st.fixed_dictionaries(
        {
            "at": st.integers(0, 10),
            "src": st.sampled_from(ADDRESSES),
            "dst": st.sampled_from(ADDRESSES),
            "src_port": st.sampled_from([None, 0, 53, 443, 40000, 65535]),
            "dst_port": st.sampled_from([None, 53, 80, 443]),
            "protocol": st.sampled_from([None, 1, 6, 17]),
            "bytes": st.sampled_from([None, 0, 999, 1000, 10_000_000, 2**62]),
            "person": st.sampled_from([None, *PEOPLE]),
            "peer_person": st.sampled_from([None, None, *PEOPLE]),
            "host": st.sampled_from([None, *HOSTS]),
            "src_mac": st.sampled_from([None, *MACS]),
        }
    ),
    max_size=25,
)


@dataclass(frozen=True)
class Part:
    """A piece of a question and what it says of a row."""

    text: str
    fits: Callable[[Row], bool]


def _columns(name: str) -> list[str]:
    both = {"ip": ["src_ip", "dst_ip"], "port": ["src_port", "dst_port"]}
    one = {"src": ["src_ip"], "dst": ["dst_ip"], "bytes": ["bytes"], "host": ["host"]}
    more = {"mac": ["src_mac", "dst_mac"], "user": ["person", "peer_person"]}
    return (both | one | more)[name]


def _any(name: str, test: Callable[[Any], bool]) -> Callable[[Row], bool]:
    return lambda row: any(row.get(c) is not None and test(row[c]) for c in _columns(name))


def _address(name: str, address: str) -> Part:
    return Part(f"{name}:{address}", _any(name, lambda value: bool(value == address)))


def _network(name: str, text: str) -> Part:
    network = ipaddress.ip_network(text)

    def inside(value: str) -> bool:
        address = ipaddress.ip_address(value)
        return address.version == network.version and address in network

    return Part(f"{name}:{text}", _any(name, inside))


def _range(name: str, low: int, high: int, ends: str) -> Part:
    def inside(value: int) -> bool:
        above = value >= low if ends[0] == "[" else value > low
        return above and (value <= high if ends[1] == "]" else value < high)

    return Part(f"{name}:{ends[0]}{low} TO {high}{ends[1]}", _any(name, inside))


def _compared(name: str, sign: str, bound: int) -> Part:
    tests: dict[str, Callable[[int], bool]] = {
        ">": lambda v: v > bound,
        ">=": lambda v: v >= bound,
        "<": lambda v: v < bound,
        "<=": lambda v: v <= bound,
    }
    return Part(f"{name}:{sign}{bound}", _any(name, tests[sign]))


def _host(glob: str) -> Part:
    pattern = glob.lower().replace("\\*", "[*]")
    return Part(f"host:{glob}", _any("host", lambda v: fnmatch.fnmatchcase(v.lower(), pattern)))


def _user(text: str, whom: set[str]) -> Part:
    return Part(f"user:{text}", _any("user", lambda value: value in whom))


def _quoted(host: str) -> Part:
    return Part(f'host:"{host}"', _any("host", lambda v: bool(v.lower() == host.lower())))


FIXED = [
    Part("proto:tcp", lambda row: row["protocol"] == 6),
    Part("proto:(udp OR icmp)", lambda row: row["protocol"] in (1, 17)),
    Part("_exists_:port", _any("port", lambda _: True)),
    Part("_exists_:user", lambda row: row["person"] is not None),
    Part("_exists_:host", _any("host", lambda _: True)),
    Part("bytes:10MB", _any("bytes", lambda v: bool(v == 10_000_000))),
    Part("mac:02-00-5E-00-53-01", _any("mac", lambda v: bool(v == MACS[0]))),
    Part("*", lambda _: True),
    _user("somchai", {"p-1"}),
    _user("สมชาย", {"p-1", "p-3"}),
    _user('"สมชาย ใจดี"', {"p-1"}),
    _user("สม*", {"p-1", "p-3"}),
    _user("S?DA", {"p-2"}),
    _user("nobody", set()),
]
leaves = st.one_of(
    st.sampled_from(FIXED),
    st.builds(_address, st.sampled_from(["ip", "src", "dst"]), st.sampled_from(ADDRESSES)),
    st.builds(_network, st.sampled_from(["ip", "src", "dst"]), st.sampled_from(NETWORKS)),
    st.builds(
        _range,
        st.sampled_from(["port", "bytes"]),
        st.integers(0, 500),
        st.integers(0, 2000),
        st.sampled_from(["[]", "{}", "[}", "{]"]),
    ),
    st.builds(
        _compared,
        st.sampled_from(["port", "bytes"]),
        st.sampled_from([">", ">=", "<", "<="]),
        st.integers(0, 1001),
    ),
    st.builds(_host, st.sampled_from(GLOBS)),
    st.builds(_quoted, st.sampled_from(HOSTS)),
)


def _combined(inner: st.SearchStrategy[Part]) -> st.SearchStrategy[Part]:
    def both(one: Part, other: Part) -> Part:
        return Part(f"({one.text} AND {other.text})", lambda r: one.fits(r) and other.fits(r))

    def beside(one: Part, other: Part) -> Part:
        return Part(f"({one.text} {other.text})", lambda r: one.fits(r) and other.fits(r))

    def either(one: Part, other: Part) -> Part:
        return Part(f"({one.text} OR {other.text})", lambda r: one.fits(r) or other.fits(r))

    def negated(one: Part) -> Part:
        return Part(f"NOT {one.text}", lambda row: not one.fits(row))

    pairs = [st.builds(join, inner, inner) for join in (both, beside, either)]
    return st.one_of(*pairs, st.builds(negated, inner))


parts = st.recursive(leaves, _combined, max_leaves=6)


@pytest.fixture(scope="module")
def database() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        yield connection


def _stored(made: Sequence[Row]) -> list[dict[str, Any]]:
    return [
        flow(
            NOW_US - row["at"] * times.MINUTE,
            row["src"],
            row["dst"],
            observation_domain=number,
            **{k: v for k, v in row.items() if k not in ("at", "src", "dst")},
        )
        for number, row in enumerate(made)
    ]


def _found(
    database: duckdb.DuckDBPyConnection, stored: Sequence[Row], question: Question, sql: str
) -> list[int]:
    database.register("rows_now", table(stored).cast(plain_schema("flows")))
    used = {k: v for k, v in question.parameters.items() if f"${k}" in _words(sql)}
    query = f"SELECT observation_domain FROM rows_now WHERE {sql} ORDER BY 1"
    return [row[0] for row in database.execute(query, used).fetchall()]


def _words(sql: str) -> set[str]:
    return set(sql.replace("(", " ").replace(")", " ").replace(",", " ").split())


@settings(max_examples=150, deadline=None)
@given(rows, parts)
def test_a_question_finds_what_a_slow_reading_finds(
    database: duckdb.DuckDBPyConnection, made: list[Row], part: Part
) -> None:
    stored = _stored(made)
    question = parse(part.text)
    wanted = [n for n, row in enumerate(stored) if part.fits(row)]
    assert _found(database, stored, question, question.where) == wanted
    by_branch = [_found(database, stored, question, branch) for branch in question.branches]
    assert sorted({n for branch in by_branch for n in branch}) == wanted


def test_a_written_percent_before_a_wildcard_stays_a_percent(
    database: duckdb.DuckDBPyConnection,
) -> None:
    made = [{"at": 0, "src": "::1", "dst": "::1", "host": h} for h in ("100%.example", "100%")]
    question = parse("host:100%*")
    assert _found(database, _stored(made), question, question.where) == [0, 1]
    assert lucene.value_of(lucene.read("a**%*")).like == "a%\\%%"


def test_a_late_session_is_found_by_its_user(database: duckdb.DuckDBPyConnection) -> None:
    late = Binding(
        site=SITE,
        address="10.0.0.1",
        start_us=NOW_US - 5 * times.MINUTE,
        end_us=NOW_US - 2 * times.MINUTE,
        person="p-2",
        session="s",
        method="accounting",
    )
    made = [{"at": at, "src": "10.0.0.1", "dst": "203.0.113.9"} for at in range(8)]
    stored = _stored(made)
    question = parse("user:suda", late=[late])
    assert _found(database, stored, question, question.where) == [3, 4, 5]
    question = parse("NOT _exists_:user", late=[late])
    assert _found(database, stored, question, question.where) == [0, 1, 2, 6, 7]


@pytest.mark.parametrize(
    ("text", "at", "said"),
    [
        ("", None, "empty"),
        ("usr:somchai", 1, "did you mean 'user'?"),
        ("port:443 AND destnation:10.0.0.1", 14, "no field is called"),
        ("port:http", 6, "wanted a number"),
        ("port:70000", 6, "65535"),
        ("port:4*", 6, "use a range"),
        ("bytes:99999999999999999999", 7, "wanted a number"),
        ("bytes:9223372036854775808", 7, "more than the field can hold"),
        ("ip:10.0.0.256", 4, "wanted an address"),
        ("ip:10.0.0.0/33", 4, "wanted an address"),
        ("src:[10.0.0.1 TO ::1]", 6, "all IPv4 or all IPv6"),
        ("mac:02:00", 5, "no MAC address"),
        ("proto:tpc", 7, "no protocol"),
        ("nat:198.51.100.7:99999", 5, "a port is 0 to 65535"),
        ("time:>soon", 7, "wanted a time"),
        ("host:>a", 7, "no order"),
        ("host:/a.*/", 6, "no regular expressions"),
        ("host:a~2", 6, "no meaning"),
        ("host:a^2", 6, "no meaning"),
        ("user:(a OR port:443)", 12, "a field within the field user"),
        ("[1 TO 2]", 1, "a range of which field?"),
        ("a && b", 3, "write AND"),
        ("!a", 1, "write AND, OR, NOT"),
        ("(port:443", 10, "ends too early"),
        ("port:443)", 9, "not wanted here"),
        ('host:"a', 6, "not wanted here"),
        ("port:", 6, "ends too early"),
        ("_exists_:nothing", 10, "no field is called"),
        ("a\x00b", 2, "not text"),
        ("(" * 100 + "a" + ")" * 100, 42, "levels"),
        ("NOT " * 1000 + "a", 165, "levels"),
        ("a " * 500, 401, "more than 200 terms"),
        ("a" * 5000, None, "4096 at most"),
    ],
)
def test_a_wrong_question_names_the_place(text: str, at: int | None, said: str) -> None:
    with pytest.raises(WrongQuestion) as caught:
        parse(text)
    assert said in str(caught.value)
    if at is not None:
        assert f"at character {at}:" in str(caught.value)


@settings(max_examples=150, deadline=None)
@given(
    st.text(max_size=80)
    | st.lists(
        st.sampled_from(
            [
                *'():[]{}"\\*?/~^+-!<>=&|$; \n',
                "AND",
                "OR",
                "NOT",
                "TO",
                "user",
                "ip",
                "port",
                "_exists_",
                "1",
                "10.0.0.0/8",
                "::",
                "a",
                "'",
            ]
        ),
        max_size=30,
    ).map("".join)
)
def test_any_text_is_a_question_or_a_clear_error(
    database: duckdb.DuckDBPyConnection, text: str
) -> None:
    try:
        question = parse(text)
    except WrongQuestion as error:
        assert "the question" in str(error)
        return
    stored = _stored([{"at": 1, "src": "10.0.0.1", "dst": "::1"}])
    _found(database, stored, question, question.where)


INJECTIONS = [
    *("'; DROP TABLE x; --", "' OR 1=1 --", "$p0", "$files", "%' OR '1'='1", "a\\' OR TRUE", "?"),
    *("/*", "*/", "{flows}", "\\", '\\"'),
    "') UNION ALL SELECT * FROM read_csv('/etc/passwd') --",
]


@pytest.mark.parametrize("value", INJECTIONS)
@pytest.mark.parametrize("field", ["host", "user", "app", "site", "certainty", "session"])
def test_no_value_ever_becomes_sql(
    database: duckdb.DuckDBPyConnection, field: str, value: str
) -> None:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    question = parse(f'{field}:"{escaped}"')
    assert value not in question.where or value in ("?", "\\", "$p0")
    stored = _stored([{"at": 1, "src": "10.0.0.1", "dst": "::1", "host": value}])
    found = _found(database, stored, question, question.where)
    assert found == ([0] if field == "host" else [])


def test_nobody_of_that_name_is_said_plainly() -> None:
    question = parse("user:somchay")
    assert "nobody is called 'somchay'" in question.notes[0]
    assert "did you mean 'somchai'?" in question.notes[0]
    assert "nobody has this name" in question.english


def test_a_question_has_a_sentence_in_thai_and_english() -> None:
    question = parse('user:"สมชาย ใจดี" AND dst:203.0.113.0/24 AND bytes:>1MB', start_us=NOW_US - 1)
    assert question.english.endswith(
        "where (the user is สมชาย ใจดี (somchai) and the destination address is in 203.0.113.0/24"
        " and the bytes is over 1MB)"
    )
    assert "ผู้ใช้คือ สมชาย ใจดี (somchai) และ ไอพีปลายทางอยู่ใน 203.0.113.0/24" in question.thai
    assert question.sentence == f"{question.thai} / {question.english}"


def test_people_of_another_site_are_not_known() -> None:
    assert parse("user:somchai", sites=("school-b",)).where == "FALSE"
    assert parse("user:somchai", sites=(SITE,)).where != "FALSE"


def test_a_translated_pair_is_one_number() -> None:
    question = parse(r"nat:198.51.100.7\:40211")
    assert question.where == "nat_key = $p0"
    assert question.parameters["p0"] == (198 << 24 | 51 << 16 | 100 << 8 | 7) << 16 | 40211
    assert parse("nat:198.51.100.7:40211").parameters == question.parameters


def test_one_address_is_looked_up_at_each_end_by_itself() -> None:
    assert len(parse("ip:10.0.0.1 AND port:443").branches) == 2


@pytest.mark.parametrize(
    ("log", "text"),
    [
        *(("events", "failed password"), ("events", "severity:<4"), ("audit", "a")),
        *(("sessions", "10.0.0.1"), ("sessions", "somchai"), ("coverage", "restart")),
        ("sessions", "user:somchai ip:10.0.0.0/8"),
    ],
)
def test_every_log_can_be_asked(log: str, text: str) -> None:
    assert parse(text, log=log).where


def test_an_unknown_log_and_an_empty_period_are_refused() -> None:
    with pytest.raises(WrongUse, match="no log is called"):
        parse("*", log="flow")
    with pytest.raises(WrongUse, match="period is empty"):
        parse("*", start_us=NOW_US, end_us=NOW_US)
    with pytest.raises(WrongUse, match="limit"):
        parse("*", limit=0)
