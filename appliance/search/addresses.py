"""Conditions on addresses that are stored as canonical text (RFC 5952 for IPv6).

Text keeps the files readable by every engine and person; the price is paid here. Wherever a network
ends between two groups of digits, "in the network" is a range of text, which zone maps prune.
Elsewhere such a range narrows first, and the odd group is compared alone. Everything is plain SQL
that Spark says alike.
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Bind = Callable[[object], str]
"""Keeps a value as a parameter and returns the place holder to write into the SQL."""

MAPPED = IPv6Network("::ffff:0:0/96")
"""IPv4-mapped addresses, the only ones whose text ends in a dotted quad (RFC 5952 section 5)."""


def text(address: Address) -> str:
    """Return the canonical text that the log has for an address."""
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return f"::ffff:{address.ipv4_mapped}"
    return str(address)


def prefix(held: str) -> IPv6Network | None:
    """Return the prefix that a session holds; None for a single address."""
    if "/" not in held:
        return None
    try:
        return IPv6Network(held)
    except ValueError:
        return None


def in_network(column: str, network: Network, bind: Bind) -> str:
    """Return SQL that is true where `column` holds an address of the network."""
    if network.prefixlen == network.max_prefixlen:
        return f"{column} = {bind(text(network.network_address))}"
    if isinstance(network, IPv4Network):
        return _in_v4(column, network, bind)
    if network.subnet_of(MAPPED):
        return _in_mapped(column, network, bind)
    plain = _in_v6(column, network, bind)
    if MAPPED.subnet_of(network):
        return f"({starts_with(column, '::ffff:', bind)} AND {column} LIKE '%.%' OR {plain})"
    return plain


def between(column: str, first: Address, last: Address, bind: Bind) -> str:
    """Return SQL that is true for the addresses from first to last, both of one family.

    The smallest network around both narrows; then the groups, filled up with zeros to one width,
    are compared as text.
    """
    if isinstance(first, IPv4Address):
        around = _around(first, last)
        low, high = bind(_wide_v4(first)), bind(_wide_v4(last))
        inside = f"{_filled(column, '.', 4, 3)} BETWEEN {low} AND {high}"
        return f"({in_network(column, IPv4Network(around), bind)} AND {inside})"
    narrowed = in_network(column, IPv6Network(_around(first, last)), bind)
    low, high = bind(first.exploded), bind(last.exploded)
    inside = f"{_filled(_spread(column), ':', 8, 4)} BETWEEN {low} AND {high}"
    found = f"{column} NOT LIKE '%.%' AND {inside}"
    begin = max(int(first), int(MAPPED.network_address))
    end = min(int(last), int(MAPPED.broadcast_address))
    if begin <= end:
        low, high = bind(_wide_v4(_unmapped(begin))), bind(_wide_v4(_unmapped(end)))
        quad = _filled(f"substr({column}, 8)", ".", 4, 3)
        found = f"({found} OR {column} LIKE '%.%' AND {quad} BETWEEN {low} AND {high})"
    return f"({narrowed} AND {found})"


def starts_with(column: str, prefix: str, bind: Bind) -> str:
    """Return SQL for "begins with", as a range of text in code point order."""
    last = ord(prefix[-1])
    after = prefix[:-1] + chr(0xE000 if last == 0xD7FF else last + 1)
    return f"({column} >= {bind(prefix)} AND {column} < {bind(after)})"


def _in_v4(column: str, network: IPv4Network, bind: Bind) -> str:
    whole, bits = divmod(network.prefixlen, 8)
    octets = network.network_address.packed
    conditions = []
    if whole:
        prefix = "".join(f"{octet}." for octet in octets[:whole])
        conditions.append(starts_with(column, prefix, bind))
    else:
        conditions.append(f"{column} NOT LIKE '%:%'")
    if bits:
        low, high = octets[whole], network.broadcast_address.packed[whole]
        part = f"TRY_CAST(split_part({column}, '.', {whole + 1}) AS INTEGER)"
        conditions.append(f"{part} BETWEEN {bind(low)} AND {bind(high)}")
    return "(" + " AND ".join(conditions) + ")"


def _in_mapped(column: str, network: IPv6Network, bind: Bind) -> str:
    inner = IPv4Network((network.network_address.packed[12:], network.prefixlen - 96))
    guard = f"{starts_with(column, '::ffff:', bind)} AND {column} LIKE '%.%'"
    if inner.prefixlen == 0:
        return f"({guard})"
    return f"({guard} AND {_in_v4(f'substr({column}, 8)', inner, bind)})"


def _in_v6(column: str, network: IPv6Network, bind: Bind) -> str:
    """The groups before the first zero stand in the text as they are; after it, they may not."""
    low, high = _groups(network.network_address), _groups(network.broadcast_address)
    whole, bits = divmod(network.prefixlen, 16)
    plain = next((i for i in range(whole) if low[i] == 0), whole)
    conditions = [f"{column} LIKE '%:%' AND {column} NOT LIKE '%.%'"]
    if plain:
        prefix = "".join(f"{group:x}:" for group in low[:plain])
        conditions = [starts_with(column, prefix, bind)]
    if plain == whole and not bits:
        return "(" + " AND ".join(conditions) + ")"
    # The group right after literal ones can be cut out of the text itself: what `::` hides is 0.
    spread = column if plain >= whole - (0 if bits else 1) else _spread(column)
    for i in range(plain, whole + (1 if bits else 0)):
        part = f"lpad(split_part({spread}, ':', {i + 1}), 4, '0')"
        conditions.append(f"{part} BETWEEN {bind(f'{low[i]:04x}')} AND {bind(f'{high[i]:04x}')}")
    return "(" + " AND ".join(conditions) + ")"


def _around(first: Address, last: Address) -> tuple[int, int]:
    """Return address and length of the smallest network with both."""
    bits = (int(first) ^ int(last)).bit_length()
    return int(first) >> bits << bits, first.max_prefixlen - bits


def _unmapped(address: int) -> IPv4Address:
    return IPv4Address(address & 0xFFFFFFFF)


def _wide_v4(address: Address) -> str:
    return ".".join(f"{octet:03}" for octet in address.packed)


def _filled(text: str, sign: str, count: int, width: int) -> str:
    """Return SQL for the groups of an address, each filled up with zeros."""
    parts = [f"lpad(split_part({text}, '{sign}', {i + 1}), {width}, '0')" for i in range(count)]
    return f"concat_ws('{sign}', {', '.join(parts)})"


def _groups(address: IPv6Address) -> list[int]:
    packed = address.packed
    return [packed[i] << 8 | packed[i + 1] for i in range(0, 16, 2)]


def _spread(column: str) -> str:
    """Return SQL for the address with the groups that `::` hides written out as zeros."""
    begins, ends = f"{column} LIKE '::%'", f"{column} LIKE '%::'"
    colons = f"length({column}) - length(replace({column}, ':', ''))"
    shown = f"{colons} - CASE WHEN {begins} THEN 1 ELSE 0 END - CASE WHEN {ends} THEN 1 ELSE 0 END"
    zeros = f"substr('0:0:0:0:0:0:0:0', 1, CAST(15 - 2 * ({shown}) AS INTEGER))"
    before = f"CASE WHEN {begins} THEN '' ELSE ':' END"
    after = f"CASE WHEN {ends} THEN '' ELSE ':' END"
    return f"replace({column}, '::', concat({before}, {zeros}, {after}))"
