"""The status of a box as people read it: a line for each thing, what is wrong named first.

Programs take `prathu --json status`, which has every figure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from appliance.cli import datagram_forecast, status_gate, status_radius
from appliance.search import times
from appliance.search.printable import printable
from appliance.web.sources import unsealed

Record = Mapping[str, Any]
_REFUSALS = ("fast", "crowded", "hoarded", "dammed")
_FULL_PARTS = 4
"""A queue that is a quarter full is told."""
CERTIFICATE_DAYS = 21
"""Authorities are asked anew 30 days before the end: less than this, and that did not work."""
_STRANGERS = 5
"""Unknown senders shown to people."""
_PATTERNS = 3
"""Patterns of unread lines shown to people."""
_WAITING = 1000
"""So many sign-in lines may wait for the portal: they come in bursts when a lesson begins."""
_KINDS = {"shadow": "only heard of", "pupil": "pupils", "teacher": "teachers", "guest": "guests"}
_LONG_DAYS = 3650
_TROUBLE = ("unreadable_files", "missing_files")


def lines(status: Record) -> Iterator[tuple[str, str]]:
    """Yield a name and a text for each thing to know; a name may come several times."""
    yield "home", status["home"]
    yield "box", _processes(status["processes"])
    yield from _alarms(status)
    for name in ("receive", "seal", "portal"):
        yield from _trouble(name, status[name] or {})
    yield from _sources(status["receive"] or {})
    yield from _syslog((status["seal"] or {}).get("sites") or {})
    yield from _sign_ins((status["seal"] or {}).get("sites") or {})
    yield from _people(status["portal"] or {})
    yield from status_radius.lines(status["portal"] or {})
    yield from status_gate.lines(status.get("gate"))
    yield from status_gate.claims((status["portal"] or {}).get("claims") or {})
    yield from _stored(status["stored"])
    if (status.get("datagrams") or {}).get("reason"):
        days = status["retention_days"]
        yield "datagrams", printable(datagram_forecast.line(status["datagrams"], days))
    yield "spool", _spool(status)
    for site, ledger in status["ledgers"].items():
        yield "sealed", f"{site}: {_ledger(ledger)}"
    for one in status.get("outside", ()):
        yield from _outside(one)
    for line in status.get("kept_alarms", ()):
        yield "ALARM", line
    yield from _backups(status.get("backup") or {})
    days = status["stored"].get("disk_days_left")
    lasts = "" if days is None else f", enough for {_days(days)} at this rate"
    yield "disk", f"{size(status['disk_free_bytes'])} free{lasts}"
    yield "clock", times.rfc3339(_us(status["clock"]))
    yield from _time((status["seal"] or {}).get("time") or {})
    yield "keys", status["keys"]
    if not status.get("recovery_key"):
        yield "keys", "no recovery key: prathu keys recovery makes one, for paper"


def size(size_bytes: float) -> str:
    """Return a size in the largest decimal unit that keeps it above one."""
    for unit in ("B", "kB", "MB", "GB"):
        if size_bytes < 1000:
            return f"{size_bytes:,.0f} B" if unit == "B" else f"{size_bytes:,.1f} {unit}"
        size_bytes /= 1000
    return f"{size_bytes:,.1f} TB"


def _days(days: int) -> str:
    return f"{days:,} days" if days < _LONG_DAYS else "many years"


def _processes(processes: Mapping[str, bool]) -> str:
    runs = [name for name, up in processes.items() if up]
    rests = [name for name, up in processes.items() if not up]
    if not runs:
        return "does not run; start it with: prathu up"
    return f"runs: {', '.join(runs)}" + (f"; DOES NOT RUN: {', '.join(rests)}" if rests else "")


def _trouble(name: str, told: Record) -> Iterator[tuple[str, str]]:
    if error := told.get("error"):
        yield name, f"does not answer: {error}"
    if (told.get("spool") or {}).get("full"):
        yield name, "the disk is too full: what arrives is refused and counted"
    for kind in _TROUBLE:
        for file in told.get(kind) or ():
            yield name, f"{kind.replace('_', ' ')}: {printable(str(file))}; see: prathu verify"
    for what, count in (told.get("troubles") or {}).items():
        yield name, f"{what} failed {count:,} times; its log says why"


def _sources(told: Record) -> Iterator[tuple[str, str]]:
    for one in told.get("udp", ()):
        lost = one["kernel_drops"] + one["not_stored"]
        came = f"{one['datagrams']:,} datagrams, {size(one['bytes'])}"
        refused = one["refused"] + one.get("limited", 0)
        yield "receives", f"{one['socket']}: {came}, {lost:,} lost, {refused:,} refused"
    for name in ("tcp", "tls", "ipfix_tcp", "ipfix_tls"):
        yield from _stream(told.get(name) or {})
    if local := told.get("unix"):
        came = f"{local['messages']:,} messages, {size(local['bytes'])}"
        lost = f"{local['not_stored']:,} lost, {local['limited']:,} refused"
        yield "receives", f"{printable(local['socket'])}: {came}, {lost}"
    yield from _conntrack(told.get("conntrack") or {})
    yield from _limited(told)
    if dropped := sum((told.get("host_drops") or {}).values()):
        yield "receive", f"the kernel dropped {dropped:,} packets before it looked at any port"
    yield from _strangers(told.get("unknown_senders") or ())


def _stream(stream: Record) -> Iterator[tuple[str, str]]:
    """Say what came over connections of one kind."""
    if stream.get("sockets"):
        came = f"{stream['messages']:,} messages, {size(stream['bytes'])}"
        refused = stream["refused"] + stream.get("refused_tls", 0) + stream.get("malformed", 0)
        lost = f"{stream['not_stored']:,} lost, {refused:,} refused"
        yield "receives", f"{', '.join(stream['sockets'])}: {came}, {lost}"
    fast = stream.get("held_back", 0)
    if full := stream.get("waiting", 0) - fast:
        yield "receive", f"{full:,} connections are held back: no room"
    if fast:
        yield "receive", f"{fast:,} connections are held back: too fast, nothing is lost"
    if stream.get("sha256"):
        yield "tls", f"certificate {stream['sha256']}"


def _alarms(status: Record) -> Iterator[tuple[str, str]]:
    """Say what of sealing somebody must look at."""
    for alarm in (status["seal"] or {}).get("alarms") or ():
        yield "ALARM", printable(str(alarm))
    for name in status.get("quarantine") or ():
        hint = "look at the disk, then take it away"
        yield "ALARM", f"quarantine/{printable(str(name))} was not as it was written: {hint}"


def _time(told: Record) -> Iterator[tuple[str, str]]:
    """Say what keeps the clock right, and what is wrong with it."""
    if not told:
        return
    stratum = "" if told["stratum"] is None else f", stratum {told['stratum']}"
    yield "clock", f"{told['source']}{stratum}, {told['offset_us'] / 1000:+.3f} ms"
    if told["alarm"]:
        yield "ALARM", told["alarm"]


def _conntrack(told: Record) -> Iterator[tuple[str, str]]:
    """Say what the kernel told of its connections, and what it is set to leave out."""
    if not told:
        return
    came = f"{told['messages']:,} messages, {size(told['bytes'])}, {told['lost']:,} lost"
    yield "receives", f"conntrack: {came}"
    for setting in told["switched_off"]:
        yield "receives", f"conntrack: {setting} is off: sysctl -w net.netfilter.{setting}=1"


def _syslog(sites: Mapping[str, Record]) -> Iterator[tuple[str, str]]:
    """Say how many lines were taken apart since the process began, and which were not."""
    for site, status in sites.items():
        told = status.get("syslog") or {}
        read, unread = sum((told.get("read") or {}).values()), told.get("unread", 0)
        if not read and not unread:
            continue
        kinds = ", ".join(f"{name} {count:,}" for name, count in told["read"].items())
        kinds = f" ({kinds})" if kinds else ""
        yield "syslog", f"{site}: {read:,} lines read{kinds}, {unread:,} of no known format"
        for one in told["unread_patterns"][:_PATTERNS]:
            yield "unread", f"{site}: {one['lines']:,} like: {printable(one['pattern'])}"


def _sign_ins(sites: Mapping[str, Record]) -> Iterator[tuple[str, str]]:
    """Say what became of sign-in lines of believed senders, where not all is as it should be."""
    for site, status in sites.items():
        told = status.get("sign_ins") or {}
        if told.get("lost"):
            why = "the portal did not fetch them: is it running?"
            yield "sign-ins", f"{site}: {told['lost']:,} lines of believed senders are lost; {why}"
        elif told.get("waiting", 0) > _WAITING:
            yield "sign-ins", f"{site}: {told['waiting']:,} lines wait for the portal"
        if told.get("nowhere"):
            hint = "put it into the site's networks if it is inside"
            yield "sign-ins", f"{site}: {told['nowhere']:,} lines name an address outside; {hint}"


def _limited(told: Record) -> Iterator[tuple[str, str]]:
    """Say who sends more than one sender may, and when the disk cannot keep up."""
    spool = told.get("spool") or {}
    waiting, most = spool.get("waiting_bytes", 0), spool.get("most_waiting_bytes", 0)
    if waiting * _FULL_PARTS > most > 0:
        yield "receive", f"the disk is slow: {size(waiting)} of {size(most)} wait for it in memory"
    for one in told.get("held_back") or ():
        part = f"one of {1 / one['part']:,.0f} datagrams is let through"
        yield "flood", f"{one['name']}: {part}, so that others are heard"
    limited = [(one, sum(one.get(why, 0) for why in _REFUSALS)) for one in told.get("senders", ())]
    limited = [(one, count) for one, count in limited if count]
    for one, count in limited[:_STRANGERS]:
        past = one["crowded"] + one["hoarded"]
        why = f"{one['fast'] + one['dammed']:,} too fast, {past:,} past its share"
        yield "refused", f"{one['name']}: {count:,} datagrams ({why}); see [limits] in prathu.toml"
    if len(limited) > _STRANGERS:
        yield "refused", f"and {len(limited) - _STRANGERS} more senders that send too much"


def _strangers(senders: Sequence[Record]) -> Iterator[tuple[str, str]]:
    for one in senders[:_STRANGERS]:
        address = one.get("address", "?")
        setting = f'[[exporters]] address = "{address}" site = "…"'
        hint = f"unknown; if it is yours, name it in prathu.toml: {setting}"
        yield "refused", f"{address}, {one.get('refused', 0):,} times: {hint}"
    if len(senders) > _STRANGERS:
        yield "refused", f"and {len(senders) - _STRANGERS} more unknown senders"


def _people(told: Record) -> Iterator[tuple[str, str]]:
    if "sessions" in told:
        kinds = [f"{count:,} {_KINDS.get(kind, kind)}" for kind, count in told["accounts"].items()]
        yield "people", f"{told['sessions']:,} sessions; accounts: {', '.join(kinds) or 'none'}"
    if certificate := told.get("certificate"):
        yield "page", _certificate(certificate)
    if lines := told.get("sign_in_lines"):
        kept = f"{lines['kept']:,} lines of believed senders kept"
        yield "sign-ins", f"{kept}, {lines['refused']:,} refused"


def _certificate(told: Record) -> str:
    """Return how the sign-in page's certificate stands, loudly when it needs somebody."""
    days, made = told["days"], told["self_made"]
    if days < 0:
        return f"ITS CERTIFICATE ENDED {-days} days ago: devices refuse the page; see [sign_in]"
    if made:
        return "a certificate made by the box: phones warn of it (docs/certificate.md)"
    soon = "; GET A NEW ONE" if days < CERTIFICATE_DAYS else ""
    return f"certificate good for {days} days{soon}"


def _spool(status: Record) -> str:
    frames = unsealed(status["receive"] or {}, status["seal"] or {})
    waits = "" if frames is None else f"{frames:,} frames wait to be sealed; "
    return f"{waits}{size(status['spool_bytes'])} on disk"


def _stored(stored: Record) -> Iterator[tuple[str, str]]:
    for log, told in stored.items():
        if isinstance(told, Mapping):
            files = f"{size(told['bytes'])} in {told['files']:,} files"
            yield "stored", f"{log}: {told['rows']:,} rows, {files}"


def _ledger(told: Record | None) -> str:
    if told is None:
        return "nothing yet"
    when = times.rfc3339(_us(told["last_seal"]))
    return f"{told['entries']:,} entries, the last at {when}"


def _outside(one: Record) -> Iterator[tuple[str, str]]:
    """Yield since when it is proven outside what a site's ledger holds, and who is silent."""
    if one["since_us"] is not None:
        by = printable(", ".join(one["by"]))
        told = f"proven outside since {times.rfc3339(one['since_us'])}, by {by}"
    elif one["asked"]:
        told = "not proven outside yet"
    else:
        told = "not proven outside: no witness and no time-stamp authority is set"
    yield "outside", f"{one['site']}: {told}" + ("; TOO LONG AGO" if one["late"] else "")
    for fault in one["faults"]:
        name = "ALARM" if fault["alarm"] else "outside"
        yield name, f"{one['site']}: {printable(fault['name'])}: {printable(fault['fault'])}"


def _backups(told: Mapping[str, Record]) -> Iterator[tuple[str, str]]:
    """Say when the last backup was made and when one was last rehearsed, failures first."""
    for one in told.values():
        if one["alarm"]:
            yield "ALARM", printable(one["alarm"])
    for what, one in told.items():
        made = "never" if one["ok_us"] is None else times.rfc3339(one["ok_us"])
        came = f" ({printable(one['told'])})" if one["told"] else ""
        due = (
            "; not by itself" if one["due_us"] is None else f"; due {times.rfc3339(one['due_us'])}"
        )
        yield "backup", f"last {what}: {made}{came}{due}"


def _us(moment: str) -> int:
    return times.parse(moment, 0).us
