"""Networks as conditions on text, compared with Python's own arithmetic on addresses."""

from __future__ import annotations

import ipaddress
import random
from collections.abc import Iterator

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.search import addresses
from appliance.search.addresses import Address, Network
from appliance.search.conditions import Parameters

SPECIAL = [
    *("::", "::1", "1::", "0:1::", "2001:db8::", "2001:0:0:5::1", "::ffff:10.0.0.5"),
    *("::ffff:0.0.0.0", "64:ff9b::a00:5", "fe80::1", "::fffe:0:0", "::1:0:0", "1:0:0:1::"),
    *("0.0.0.0", "255.255.255.255", "10.0.0.5", "10.0.10.5", "100.0.0.5", "1.0.0.5"),
]


def _v6(chance: random.Random) -> ipaddress.IPv6Address:
    """Addresses full of zeros, which RFC 5952 shortens in many ways."""
    groups = [chance.choice((0, 0, 0, 1, 0xDB8, 0xFE80, chance.getrandbits(16))) for _ in range(8)]
    return ipaddress.IPv6Address(sum(g << 16 * (7 - i) for i, g in enumerate(groups)))


def _v4(chance: random.Random) -> ipaddress.IPv4Address:
    octets = [chance.choice((0, 1, 10, 100, 255, chance.getrandbits(8))) for _ in range(4)]
    return ipaddress.IPv4Address(bytes(octets))


def _some(seed: int, count: int) -> list[Address]:
    chance = random.Random(seed)
    made: list[Address] = []
    made += [_v4(chance) if chance.random() < 0.4 else _v6(chance) for _ in range(count)]
    return [*made, *(ipaddress.ip_address(text) for text in SPECIAL)]


POOL = _some(7, 1500)


@pytest.fixture(scope="module")
def database() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        texts = [*(addresses.text(address) for address in POOL), None]
        connection.register("pool", pa.table({"ip": texts}))
        yield connection


def _found(database: duckdb.DuckDBPyConnection, sql: str, parameters: Parameters) -> list[str]:
    rows = database.execute(f"SELECT ip FROM pool WHERE {sql}", parameters.values).fetchall()
    return sorted(row[0] for row in rows)


def _expected(network: Network) -> list[str]:
    return sorted(addresses.text(a) for a in POOL if a.version == network.version and a in network)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, len(POOL) - 1), st.integers(0, 128))
def test_in_a_network_is_what_python_says(
    database: duckdb.DuckDBPyConnection, which: int, length: int
) -> None:
    address = POOL[which]
    length = min(length, address.max_prefixlen)
    network = ipaddress.ip_network(f"{address}/{length}", strict=False)
    parameters = Parameters()
    sql = addresses.in_network("ip", network, parameters.bind)
    assert _found(database, sql, parameters) == _expected(network)


NAMED = "::ffff:0:0/96 ::ffff:10.0.0.0/104 ::/0 ::/64 ::/95 ::ffff:0:0/97 2001::/32 fc00::/7 "
NAMED += "fe80::/10 2000::/3 64:ff9b::/96 0.0.0.0/0 10.0.0.0/7 ::/128"


@pytest.mark.parametrize("text", NAMED.split())
def test_networks_with_a_name(database: duckdb.DuckDBPyConnection, text: str) -> None:
    network, parameters = ipaddress.ip_network(text), Parameters()
    sql = addresses.in_network("ip", network, parameters.bind)
    assert _found(database, sql, parameters) == _expected(network)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, len(POOL) - 1), st.integers(0, len(POOL) - 1))
def test_a_range_is_what_python_says(
    database: duckdb.DuckDBPyConnection, one: int, other: int
) -> None:
    first, last = POOL[one], POOL[other]
    if first.version != last.version:
        return
    if int(first) > int(last):
        first, last = last, first
    parameters = Parameters()
    sql = addresses.between("ip", first, last, parameters.bind)
    found = _found(database, sql, parameters)
    wanted = [a for a in POOL if a.version == first.version and int(first) <= int(a) <= int(last)]
    assert found == sorted(addresses.text(a) for a in wanted)


@settings(max_examples=100, deadline=None)
@given(st.text(min_size=1, max_size=3), st.lists(st.text(max_size=5), max_size=20))
def test_begins_with_is_a_range_of_text(
    database: duckdb.DuckDBPyConnection, prefix: str, texts: list[str]
) -> None:
    if "\U0010ffff" in prefix:
        return
    parameters = Parameters()
    sql = addresses.starts_with("t", prefix, parameters.bind)
    database.register("texts", pa.table({"t": pa.array([*texts, prefix, prefix + "x"])}))
    rows = database.execute(f"SELECT t FROM texts WHERE {sql}", parameters.values).fetchall()
    wanted = [t for t in (*texts, prefix, prefix + "x") if t.startswith(prefix)]
    assert sorted(row[0] for row in rows) == sorted(wanted)
