"""Made-up flows of a school, columns and skew as a real exporter's, for tests and benchmarks."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from collector.records import Rows
from collector.store.schema import ARROW, FLOWS

START_US = 1_800_000_000_000_000
"""A moment in January 2027."""
HOUR_US = 3_600_000_000

Ints = npt.NDArray[np.int64]
Array: TypeAlias = "pa.Array[Any]"


def flows(
    count: int,
    *,
    seed: int = 1,
    clients: int = 1000,
    servers: int = 20_000,
    span_us: int = HOUR_US,
    attributed: bool = True,
    site: str = "school-a",
) -> pa.Table:
    """Return `count` flows in order of receipt, as NetFlow v9 with NAT fields gives them."""
    random = np.random.default_rng(seed)
    received = START_US + np.sort(random.integers(0, span_us, max(1, count // 24)))
    received = np.repeat(received, 24)[:count]
    if len(received) < count:
        received = np.concatenate([received, np.repeat(received[-1:], count - len(received))])
    sent = received // 1_000_000 * 1_000_000
    length = np.where(random.random(count) < 0.3, 0, random.exponential(8e6, count)).astype(int)
    end = (received - random.exponential(4e6, count).astype(np.int64)) // 1000 * 1000
    start = end - length // 1000 * 1000
    client = skewed(random, clients, count)
    server = skewed(random, servers, count)
    up = random.random(count) < 0.5
    ephemeral = random.integers(32768, 61000, count)
    service = random.choice([443, 443, 443, 443, 80, 53, 53, 123, 5223, 8443], count)
    nat_port = random.integers(1024, 65535, count)
    packets = np.minimum(random.pareto(1.1, count) * 3 + 1, 1e6).astype(np.int64)
    protocol = np.where(np.isin(service, (53, 123)) | (random.random(count) < 0.2), 17, 6)
    inside = texts([f"10.{i >> 16 & 255}.{i >> 8 & 255}.{i & 255}" for i in range(clients)])
    outside = texts([_server(i) for i in range(servers)])
    mac = texts(
        [f"02:00:00:{i >> 16:02x}:{i >> 8 & 255:02x}:{i & 255:02x}" for i in range(clients)]
    )
    public = texts(["198.51.100.7", "198.51.100.8"])
    columns = {
        "time": times(start),
        "received": times(received),
        "source": constant("192.0.2.1", count),
        "site": constant(site, count),
        "observation_domain": ints(np.zeros(count)),
        "time_end": times(end),
        "exporter_sent": times(sent),
        "clock": constant("ok", count),
        "src_ip": either(up, inside, client, outside, server),
        "dst_ip": either(~up, inside, client, outside, server),
        "src_port": small(np.where(up, ephemeral, service)),
        "dst_port": small(np.where(up, service, ephemeral)),
        "protocol": small(protocol),
        "packets": ints(packets),
        "bytes": ints(packets * random.integers(60, 1400, count)),
        "tcp_flags": small(np.where(protocol == 6, random.choice([27, 27, 19, 2, 24], count), 0)),
        "tos": small(random.choice([0, 0, 0, 0, 184], count)),
        "in_if": ints(np.where(up, 2, 1)),
        "out_if": ints(np.where(up, 1, 2)),
        "direction": small(np.zeros(count)),
        "src_mac": coded(np.where(up, client, -1), mac),
        "nat_src_ip": coded(np.where(up, client % 2, -1), public),
        "nat_src_port": small(nat_port, up),
        "nat_dst_ip": coded(np.where(up, -1, client % 2), public),
        "nat_dst_port": small(nat_port, ~up),
        "nat_key": ints((0xC6336407 + client % 2 << 16) | nat_port),
        "end_reason": small(random.choice([1, 2, 3], count)),
        "sampling_rate": ints(np.ones(count)),
        "sampling_origin": constant("none", count),
    }
    if attributed:
        columns |= _people(client, clients, count, random)
    return FLOWS.table(Rows(log="flows", site=site, columns=columns, frame=received))


def _people(
    client: Ints, clients: int, count: int, random: np.random.Generator
) -> dict[str, Array]:
    known = np.where(client % 20 == 0, -1, client)
    uuids = [bytes(random.bytes(16)).hex() for _ in range(clients * 2)]
    text = [f"{u[:8]}-{u[8:12]}-4{u[13:16]}-a{u[17:20]}-{u[20:]}" for u in uuids]
    via = np.where(known < 0, -1, 0)
    return {
        "person": coded(known, texts(text[:clients])),
        "session": coded(known, texts(text[clients:])),
        "method": coded(np.where(known < 0, -1, client % 2), texts(["portal", "accounting"])),
        "via": coded(via, texts(["src_ip"])),
        "certainty": coded(np.where(known < 0, 1, 0), texts(["sure", "unknown"])),
    }


def _server(number: int) -> str:
    if number % 4 == 0:
        return f"2001:db8:{number >> 8:x}::{number & 255 | 256:x}"
    return f"203.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


def skewed(random: np.random.Generator, kinds: int, count: int) -> Ints:
    """Return `count` numbers below `kinds`, small ones far more often."""
    return np.minimum(kinds * random.random(count) ** 3, kinds - 1).astype(np.int64)


def texts(values: list[str]) -> Array:
    return pa.array(values, pa.string())


def constant(value: str, count: int) -> Array:
    return coded(np.zeros(count, np.int64), texts([value]))


def coded(codes: Ints, dictionary: Array) -> Array:
    """Return a dictionary column; a negative code is null."""
    indices: Any = pa.array(codes.astype(np.int32), mask=codes < 0)
    return pa.DictionaryArray.from_arrays(indices, dictionary)


def either(first: npt.NDArray[np.bool_], a: Array, a_codes: Ints, b: Array, b_codes: Ints) -> Array:
    return coded(np.where(first, a_codes, b_codes + len(a)), pa.concat_arrays([a, b]))


def times(values: Ints) -> Array:
    return pa.array(values.astype(np.int64), ARROW["time"])


def ints(values: npt.NDArray[Any]) -> Array:
    return pa.array(values.astype(np.int64))


def small(values: npt.NDArray[Any], there: npt.NDArray[np.bool_] | None = None) -> Array:
    return pa.array(values.astype(np.int32), mask=None if there is None else ~there)


def by_person(table: pa.Table, seed: int = 7) -> pa.Table:
    """Return the rows as a segment has them: grouped by person in a random order, then by time."""
    person: Any = table["person"].combine_chunks()
    codes = np.asarray(person.indices.fill_null(-1)).astype(np.int64)
    rank = np.random.default_rng(seed).permutation(len(person.dictionary) + 1)
    time = np.asarray(table["time"].cast(pa.int64()))
    return table.take(np.lexsort((time, rank[codes + 1])))
