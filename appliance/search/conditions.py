"""One field and one value become one condition: SQL, and the same in Thai and English.

Values only ever become bound parameters; SQL text is made of column names of the schema.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from appliance.errors import WrongUse
from appliance.search import addresses, times
from appliance.search.fields import PORT_OF, PORTS, Field
from appliance.search.lucene import Value, wrong
from collector.decode.protocols import NUMBERS

INT64_MAX = 2**63 - 1
_SIZES = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_SIZES |= {f"{unit}b": size for unit, size in _SIZES.items()}
_SIZES |= {"kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40}
_NUMBER = re.compile(r"(\d{1,19})(?:\.(\d{1,6}))?([A-Za-z]{0,3})", re.ASCII)
_ENDPOINT = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<four>[0-9.]+)):(?P<port>\d{1,5})")

THAI = {"=": "เท่ากับ", ">": "มากกว่า", ">=": "อย่างน้อย", "<": "น้อยกว่า", "<=": "ไม่เกิน"}
ENGLISH = {"=": "is", ">": "is over", ">=": "is at least", "<": "is under", "<=": "is at most"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """What a part of the question asks of a row."""

    sql: str
    thai: str
    english: str
    alternatives: tuple[str, ...] = ()
    """SQL of which any is enough, together the same as `sql`: each can be looked up by itself."""


@dataclass(slots=True)
class Parameters:
    """The values of a question, by the names of their place holders."""

    values: dict[str, object] = field(default_factory=dict)

    def bind(self, value: object) -> str:
        """Keep a value and return its place holder."""
        name = f"p{len(self.values)}"
        self.values[name] = value
        return f"${name}"


@dataclass(frozen=True, slots=True)
class Bounds:
    """A range as written; a bound may be open (None)."""

    low: Value | None
    high: Value | None
    low_included: bool = True
    high_included: bool = True


def any_of(parts: Sequence[str]) -> str:
    """Return SQL that is true where any part is."""
    return parts[0] if len(parts) == 1 else "(" + " OR ".join(parts) + ")"


def exists(found: Field) -> Condition:
    """Return the condition that a row has the field."""
    sql = any_of([f"{column} IS NOT NULL" for column in found.columns])
    return Condition(sql=sql, thai=f"มี{found.thai}", english=f"{found.english} is known")


def equal(found: Field, value: Value, *, now_us: int, parameters: Parameters) -> Condition:
    """Return the condition that a field has a value, or fits its wildcards."""
    if value.anything and not value.quoted:
        return exists(found)
    parts = _KINDS[found.kind](found, value, now_us, parameters)
    word = ("ตรงแบบ", "fits") if value.like else (THAI["="], ENGLISH["="])
    if found.kind == "words":
        word = ("มีคำว่า", "contains")
    elif found.kind in ("ip", "nat", "addresses") and "/" in value.text:
        word = ("อยู่ใน", "is in")
    return Condition(
        sql=any_of(parts),
        thai=f"{found.thai}{word[0]} {_shown(value)}",
        english=f"{found.english} {word[1]} {_shown(value)}",
        alternatives=tuple(parts) if found.kind in ("ip", "nat", "mac") else (),
    )


def within(found: Field, bounds: Bounds, *, now_us: int, parameters: Parameters) -> Condition:
    """Return the condition that a field lies in a range."""
    if bounds.low is None and bounds.high is None:
        return exists(found)
    if found.kind in ("ip", "nat"):
        parts = _address_range(found, bounds, parameters)
    else:
        compared = _compared(found, bounds, now_us, parameters)
        parts = [
            "(" + " AND ".join(f"{column} {sign} {holder}" for sign, holder in compared) + ")"
            for column in found.columns
        ]
    thai, english = [], []
    for value, sign in _signs(bounds):
        thai.append(f"{THAI[sign]} {_shown(value)}")
        english.append(f"{ENGLISH[sign]} {_shown(value)}")
    return Condition(
        sql=any_of(parts),
        thai=found.thai + " และ".join(thai),
        english=f"{found.english} {' and '.join(english)}",
    )


def endpoint(value: Value) -> tuple[addresses.Address, int] | None:
    """Return address and port of `198.51.100.7:443` or `[2001:db8::1]:443`, else None."""
    found = _ENDPOINT.fullmatch(value.text)
    if not found:
        return None
    port = int(found["port"])
    if port > 65535:
        raise wrong(f"a port is 0 to 65535, not {port}", value.at)
    try:
        return ipaddress.ip_address(found["six"] or found["four"]), port
    except ValueError:
        return None


def network(value: Value) -> addresses.Network | None:
    """Return the network or single address that a value is, else None."""
    try:
        return ipaddress.ip_network(value.text, strict=False)
    except ValueError:
        return None


def mac_text(text: str) -> str | None:
    """Return a MAC address in the log's writing (lower case, colons), or None if it is none."""
    digits = re.sub(r"[:.-]", "", text.lower())
    if not re.fullmatch(r"[0-9a-f]{12}", digits):
        return None
    return ":".join(digits[i : i + 2] for i in range(0, 12, 2))


def number(value: Value, *, most: int = INT64_MAX) -> int:
    """Return a whole number; `10MB` is ten million, `10MiB` 10 · 2²⁰.

    Raises:
        WrongQuestion: it is none, or more than a column can hold.
    """
    found = _NUMBER.fullmatch(value.text)
    size = _SIZES.get(found[3].lower()) if found else None
    if value.like or found is None or size is None:
        hint = "for part of a number use a range: [400 TO 499]" if value.like else ""
        raise wrong(f"wanted a number such as 443 or 10MB, not {value.text!r}", value.at, hint)
    amount = int(found[1]) * size
    if found[2]:
        amount += int(found[2]) * size // 10 ** len(found[2])
    if amount > most:
        raise wrong(f"{value.text} is more than the field can hold ({most})", value.at)
    return amount


def _shown(value: Value) -> str:
    return f'"{value.text}"' if value.quoted or " " in value.text else value.text


def _most(found: Field) -> int:
    return 65535 if PORTS.intersection(found.columns) else INT64_MAX


def _number(found: Field, value: Value, _now: int, parameters: Parameters) -> list[str]:
    holder = parameters.bind(number(value, most=_most(found)))
    return [f"{column} = {holder}" for column in found.columns]


def _proto(found: Field, value: Value, _now: int, parameters: Parameters) -> list[str]:
    holder = parameters.bind(_protocol(value))
    return [f"{column} = {holder}" for column in found.columns]


def _protocol(value: Value) -> int:
    code = NUMBERS.get(value.text.lower())
    if code is None and not value.text.isdecimal():
        known = ", ".join(name for name in NUMBERS if name in ("tcp", "udp", "icmp", "icmp6"))
        raise wrong(f"no protocol is called {value.text!r}", value.at, f"{known}, … or a number")
    return number(value, most=255) if code is None else code


def _time(found: Field, value: Value, now_us: int, parameters: Parameters) -> list[str]:
    moment = _moment(value, now_us)
    low = parameters.bind(times.aware(moment.us))
    high = parameters.bind(times.aware(moment.end_us))
    return [f"({column} >= {low} AND {column} < {high})" for column in found.columns]


def _moment(value: Value, now_us: int) -> times.Moment:
    try:
        return times.parse(value.text, now_us)
    except WrongUse as error:
        raise wrong(str(error), value.at) from error


def _text(found: Field, value: Value, _now: int, parameters: Parameters) -> list[str]:
    if value.like:
        return [_like(column, value.like, parameters) for column in found.columns]
    holder = parameters.bind(value.text)
    return [f"{column} = {holder}" for column in found.columns]


def _like(column: str, like: str, parameters: Parameters) -> str:
    """A pattern; what stands before its first wildcard narrows first, as a range."""
    literal = re.match(r"(?:\\.|[^%_\\])*", like, re.DOTALL)
    prefix = re.sub(r"\\(.)", r"\1", literal[0], flags=re.DOTALL) if literal else ""
    fits = f"{column} LIKE {parameters.bind(like)} ESCAPE '\\'"
    if not prefix or ord(prefix[-1]) == 0x10FFFF:
        return fits
    return f"({addresses.starts_with(column, prefix, parameters.bind)} AND {fits})"


def _name(found: Field, value: Value, _now: int, parameters: Parameters) -> list[str]:
    if value.like:
        holder = parameters.bind(value.like)
        return [f"lower({c}) LIKE lower({holder}) ESCAPE '\\'" for c in found.columns]
    holder = parameters.bind(value.text)
    return [f"lower({column}) = lower({holder})" for column in found.columns]


def _words(found: Field, value: Value, _now: int, parameters: Parameters) -> list[str]:
    if value.like:
        holder = parameters.bind(f"%{value.like}%")
        return [f"lower({c}) LIKE lower({holder}) ESCAPE '\\'" for c in found.columns]
    holder = parameters.bind(value.text)
    return [f"contains(lower({column}), lower({holder}))" for column in found.columns]


def _id(found: Field, value: Value, _now: int, parameters: Parameters) -> list[str]:
    like = value.like.lower() if value.like else None
    return _text(found, Value(value.text.lower(), like, value.at), _now, parameters)


def _mac(found: Field, value: Value, _now: int, parameters: Parameters) -> list[str]:
    if value.like:
        return _id(found, value, _now, parameters)
    mac = mac_text(value.text)
    if mac is None:
        raise wrong(f"{value.text!r} is no MAC address such as 02:00:5e:00:53:01", value.at)
    holder = parameters.bind(mac)
    return [f"{column} = {holder}" for column in found.columns]


def _ip(found: Field, value: Value, _now: int, parameters: Parameters) -> list[str]:
    if value.like:
        return _id(found, value, _now, parameters)
    pair = endpoint(value)
    if pair and all(column in PORT_OF for column in found.columns):
        return _endpoint(found.columns, pair, parameters)
    net = network(value)
    if net is None:
        wanted = "wanted an address or network such as 10.0.0.7, 10.0.0.0/8 or 2001:db8::/32"
        raise wrong(f"{wanted}, not {value.text!r}", value.at)
    return [addresses.in_network(column, net, parameters.bind) for column in found.columns]


def _endpoint(
    columns: Sequence[str], pair: tuple[addresses.Address, int], parameters: Parameters
) -> list[str]:
    address, port = parameters.bind(addresses.text(pair[0])), parameters.bind(pair[1])
    return [f"({column} = {address} AND {PORT_OF[column]} = {port})" for column in columns]


def _nat(found: Field, value: Value, now_us: int, parameters: Parameters) -> list[str]:
    """Address and port are one number, `nat_key`, which has a filter of its own in the files."""
    pair = None if value.like else endpoint(value)
    if pair and pair[0].version == 4:
        return [f"nat_key = {parameters.bind(int(pair[0]) << 16 | pair[1])}"]
    return _ip(found, value, now_us, parameters)


def _addresses(found: Field, value: Value, now_us: int, parameters: Parameters) -> list[str]:
    """A session's first address, or any in its JSON list."""
    one = Field(found.name, "ip", ("held",), found.thai, found.english)
    fits = any_of(_ip(one, value, now_us, parameters))
    listed = "unnest(string_split(trim(addresses, '[]\"'), '\",\"'))"
    first = any_of(_ip(found, value, now_us, parameters))
    held = f"(SELECT {listed} AS held) AS listed"
    return [first, f"EXISTS (SELECT 1 FROM {held} WHERE {fits})"]  # noqa: S608  # own names


def _unsearchable(found: Field, value: Value, _now: int, _parameters: Parameters) -> list[str]:
    raise wrong(f"{found.name} holds bytes", value.at, f"ask only _exists_:{found.name}")


_KINDS = {
    "number": _number,
    "proto": _proto,
    "time": _time,
    "text": _text,
    "name": _name,
    "words": _words,
    "id": _id,
    "mac": _mac,
    "ip": _ip,
    "nat": _nat,
    "addresses": _addresses,
    "bytes": _unsearchable,
}


def _signs(bounds: Bounds) -> list[tuple[Value, str]]:
    found = []
    if bounds.low is not None:
        found.append((bounds.low, ">=" if bounds.low_included else ">"))
    if bounds.high is not None:
        found.append((bounds.high, "<=" if bounds.high_included else "<"))
    return found


def _compared(
    found: Field, bounds: Bounds, now_us: int, parameters: Parameters
) -> list[tuple[str, str]]:
    if found.kind not in ("number", "proto", "time", "text", "id"):
        value = bounds.low or bounds.high
        raise wrong(f"{found.name} has no order", value.at if value else 0, "ask for one value")
    compared = []
    for value, sign in _signs(bounds):
        if value.like:
            raise wrong("a range has no wildcards", value.at)
        if found.kind == "time":
            compared.append(_time_bound(_moment(value, now_us), sign, parameters))
        else:
            compared.append((sign, parameters.bind(_ordered(found, value))))
    return compared


def _ordered(found: Field, value: Value) -> int | str:
    if found.kind == "proto":
        return _protocol(value)
    if found.kind == "number":
        return number(value, most=_most(found))
    return value.text.lower() if found.kind == "id" else value.text


def _time_bound(moment: times.Moment, sign: str, parameters: Parameters) -> tuple[str, str]:
    """What is written as a day or minute is meant whole: `<=` reaches its end, `>` begins there."""
    whole = moment.end_us if sign in (">", "<=") else moment.us
    return {">": ">=", "<=": "<"}.get(sign, sign), parameters.bind(times.aware(whole))


def _address_range(found: Field, bounds: Bounds, parameters: Parameters) -> list[str]:
    low, high = _bound(bounds.low), _bound(bounds.high)
    known = low if low is not None else high
    if known is None or (low is not None and high is not None and low.version != high.version):
        at = bounds.low.at if bounds.low else 0
        raise wrong("a range of addresses is all IPv4 or all IPv6", at)
    kind = type(known)
    first = 0 if low is None else int(low) + (not bounds.low_included)
    last = 2**known.max_prefixlen - 1 if high is None else int(high) - (not bounds.high_included)
    if first > last:
        return ["FALSE"]
    return [
        addresses.between(column, kind(first), kind(last), parameters.bind)
        for column in found.columns
    ]


def _bound(value: Value | None) -> addresses.Address | None:
    if value is None:
        return None
    try:
        return ipaddress.ip_address(value.text)
    except ValueError as error:
        raise wrong(f"wanted an address, not {value.text!r}", value.at) from error
