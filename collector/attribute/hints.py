"""What devices say of who is on an address: hints, weaker than any session.

Firewalls put the name of an account into the flows that they export, and into lines of their log.
Nobody was signed in here by that, and the account may be another's of the same name. So a hint
names nobody: where no session held the address, its person is the candidate of an ambiguous row,
by the method `flow-borne`.

A hint lasts for `HINT_US`, or until another account is on the address. An account is a person when
sessions have told exactly one of that name.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from collector.attribute.holders import Holders
from collector.attribute.interned import Interned
from collector.attribute.lease import Lease, Word
from collector.attribute.networks import Networks
from collector.attribute.pieces import Pieces, cut
from collector.attribute.prefixes import Prefixes
from collector.columns import one_dictionary
from collector.records import Binding

METHOD = "flow-borne"
HINT_US = 30 * 60_000_000
_FRESH_US = HINT_US // 2
"""A hint that was repeated so short a time ago is not taken in once more."""
MOST = 1 << 17
"""Hints on so many addresses of a site are kept; those on others are refused."""
_NO_ACCOUNTS = {"", "-", "unknown", "anonymous", "n/a"}
_VALUE = r'"(?P<value>(?:[^"\\]|\\.)*)"'
_NAMES = ('serName":', '"panUser":', '"natSubscriber":')
_USER = rf'"(?:userName|aaaUserName|panUser|natSubscriber)":{_VALUE}'
"""Of `extra`: IPFIX 371, the Cisco ASA's 40000, Palo Alto Networks' 56702, and Nokia's 93, whom its
NAT translates for."""
_OF_ENDS = {
    "source": rf'"sourceUserName":{_VALUE}',
    "target": rf'"destinationUserName":{_VALUE}',
}
"""The same of each end: sFlow tells both (`extended_user`)."""
_OUT = 1
"""Of the column `direction`: out of the interface, here the radio."""
_STATIONS = ('"staMacAddress":"',)
_STATION = r'"staMacAddress":"(?P<value>(?:[0-9a-f]{2}:){5}[0-9a-f]{2})"'
"""Of `extra`: IPFIX 365."""


class Claim(NamedTuple):
    """A flow of an address bore the name of an account, or the MAC of a station."""

    address: str
    account: str
    time_us: int


class Hints:
    """Of all sites."""

    def __init__(self) -> None:
        self._people: dict[str, dict[str, str]] = {}
        """Site, account: the person; empty where sessions told several."""
        self._told: dict[str, dict[str, Lease]] = {}
        """Site, address: the accounts on it, in the place of MACs."""
        self._addresses: dict[tuple[str, str], set[str]] = {}
        """Site, account: where it was."""
        self._holders: dict[str, Holders] = {}
        self.refused = 0
        """Hints that found no room."""

    def learn(self, site: str, account: str, person: str) -> None:
        """Take in from a session whose account it is."""
        people, name = self._people.setdefault(site, {}), folded(account)
        known = people.setdefault(name, person)
        if known not in (person, ""):
            people[name] = ""
            self._touch(site, name)
        elif len(self._addresses.get((site, name), ())):
            self._touch(site, name)

    def add(self, site: str, claim: Claim) -> int | None:
        """Take in a hint; return the first time of which it changes anything, None without."""
        name = folded(claim.account)
        if name in _NO_ACCOUNTS or not claim.address:
            return None
        of_site = self._told.setdefault(site, {})
        if claim.address not in of_site and len(of_site) >= MOST:
            self.refused += 1
            return None
        told = of_site.setdefault(claim.address, Lease())
        if told.at(claim.time_us) == told.at(claim.time_us + _FRESH_US) == name:
            return None
        from_us = told.put([Word(claim.time_us, True, name, claim.time_us + HINT_US)])
        if from_us is not None:
            self._addresses.setdefault((site, name), set()).add(claim.address)
            if site in self._holders:
                self._holders[site].touch(claim.address)
        return from_us

    def holders(self, site: str, interned: Interned) -> Holders | None:
        """Return whom hints put at the addresses of a site; None without any."""
        told = self._told.get(site)
        if not told:
            return None
        if site not in self._holders:
            self._holders[site] = Holders(
                told, lambda address, us: self._pieces(site, address, us), Prefixes(), interned
            )
        return self._holders[site]

    def forget(self, before_us: int) -> None:
        """Let go of what only says something about the time before `before_us`."""
        for told in self._told.values():
            for address, lease in list(told.items()):
                lease.shorten(before_us)
                if not lease.words:
                    del told[address]
        for (site, name), addresses in list(self._addresses.items()):
            addresses &= self._told.get(site, {}).keys()
            if not addresses:
                del self._addresses[site, name]

    def plain(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        told = {
            site: {address: lease.plain() for address, lease in leases.items()}
            for site, leases in self._told.items()
        }
        return {"people": self._people, "told": told}

    @classmethod
    def from_plain(cls, record: Mapping[str, Any]) -> Hints:
        """Return the hints that `plain` described."""
        hints = cls()
        hints._people = {site: dict(people) for site, people in record["people"].items()}
        for site, told in record["told"].items():
            leases = {address: Lease.from_plain(words) for address, words in told.items()}
            hints._told[site] = leases
            for address, lease in leases.items():
                for word in lease.words:
                    hints._addresses.setdefault((site, word.mac), set()).add(address)
        return hints

    def _touch(self, site: str, name: str) -> None:
        holders = self._holders.get(site)
        if holders is not None:
            for address in self._addresses.get((site, name), ()):
                holders.touch(address)

    def _pieces(self, site: str, address: str, from_us: int) -> Pieces:
        people = self._people.get(site, {})
        lease = self._told.get(site, {}).get(address, Lease())
        return cut(
            Binding(
                site=site,
                address=address,
                start_us=span.start,
                end_us=span.end,
                person=people[span.mac],
                session="",
                method=METHOD,
            )
            for span in lease.spans
            if span.end > from_us and people.get(span.mac)
        )


def folded(account: str) -> str:
    """Return the name of an account without its domain, as it is compared."""
    return account.rpartition("\\")[2].partition("@")[0].strip().casefold()


def claims(table: pa.Table, networks: Networks) -> Iterator[Claim]:
    """Give what flows say of accounts: each address and account once, with its earliest time.

    A name is that of the inside end, of the initiator where both ends are inside; but sFlow tells
    each end's own.
    """
    extra = _bearing(table, _NAMES)
    if extra is not None:
        yield from _borne(table, networks, extra, _USER, of="inside")
        for end, pattern in _OF_ENDS.items():
            yield from _borne(table, networks, extra, pattern, of=end)


def stations(table: pa.Table, networks: Networks) -> Iterator[Claim]:
    """Give the MACs, in place of accounts, that wireless controllers tell.

    They are of the inside end; where both are, of the one on the side of the radio.
    """
    extra = _bearing(table, _STATIONS)
    if extra is not None:
        yield from _borne(table, networks, extra, _STATION, of="radio")


def _bearing(table: pa.Table, members: Sequence[str]) -> Any:  # noqa: ANN401  # a DictionaryArray
    """Return the column `extra` if any of these is in it, else None."""
    if table["extra"].null_count == len(table):
        return None
    extra: Any = one_dictionary(table["extra"]).combine_chunks()
    bearing = [pc.match_substring(extra.dictionary, member) for member in members]
    return extra if any(pc.any(each).as_py() for each in bearing) else None


def _borne(
    table: pa.Table,
    networks: Networks,
    extra: Any,  # noqa: ANN401  # a DictionaryArray
    pattern: str,
    *,
    of: str,
) -> Iterator[Claim]:
    """Give the values that a pattern finds in `extra`, and whose they are.

    Args:
        table: Flows.
        networks: What is inside.
        extra: Their column.
        pattern: Finds the `value`.
        of: Whose it is: of the `inside` end, of the one at the `radio`, the `source` or `target`.
    """
    found: Any = pc.extract_regex(extra.dictionary, pattern)
    if found.null_count == len(found):
        return
    value_of_text: Any = pc.struct_field(found, "value").dictionary_encode()
    value = np.append(np.asarray(value_of_text.indices.fill_null(-1)), -1)[
        np.asarray(extra.indices.fill_null(-1))
    ]
    texts, code = _subjects(table, networks, of)
    rows = np.flatnonzero((value >= 0) & (code >= 0))
    times = np.asarray(table["time"].cast(pa.int64()))[rows]
    order = rows[np.argsort(times, kind="stable")]
    pairs = code[order].astype(np.int64) * (len(value_of_text.dictionary) + 1) + value[order]
    _, first = np.unique(pairs, return_index=True)
    begin = np.asarray(table["time"].cast(pa.int64()))
    written = value_of_text.dictionary.to_pylist()
    for row in order[first].tolist():
        name = json.loads(f'"{written[value[row]]}"', strict=False)
        if name.isprintable():
            yield Claim(str(texts[int(code[row])]), name, int(begin[row]))


def _subjects(table: pa.Table, networks: Networks, of: str) -> tuple[pa.Array[Any], Any]:
    """Return the distinct addresses, and of each row the code of the end `of`, -1 if not inside.

    Of two inside ends it is the source, but at the radio the target of what goes out there.
    """
    both = pa.chunked_array([*table["src_ip"].chunks, *table["dst_ip"].chunks])
    array: Any = one_dictionary(both).combine_chunks()
    codes = np.asarray(array.indices.fill_null(-1)).reshape(2, -1)
    inside = np.append(networks.inside(array.dictionary), False)[codes]
    source, target = inside
    if of == "radio":
        direction: Any = table["direction"]
        source = source & ~((np.asarray(direction.fill_null(0)) == _OUT) & target)
    elif of != "inside":
        source, target = (end & (of == name) for end, name in zip(inside, _OF_ENDS, strict=True))
    return array.dictionary, np.where(source, codes[0], np.where(target, codes[1], -1))
