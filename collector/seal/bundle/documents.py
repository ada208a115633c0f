"""The JSON documents of a bundle: what each holds, and its one spelling.

All are RFC 8785. Members that are unknown, missing or of another type are refused; what two
documents say of each other is checked by whoever reads both.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

import rfc8785

from collector.seal import note
from collector.seal.fault import Refused

FORMAT = "prathu-bundle/1"
ENTRIES = "prathu-entries/1"
CONSISTENCY = "prathu-consistency/1"
PROOF = "prathu-proof/1"
STEPS = ("asked", "approved", "ran", "packed", "received")
LEVELS = ("C0", "C1", "C2")
"""Of a bundle; C3 is the key, which never leaves the premises."""
MAX_JSON = 16 << 20
MOST_NESTED = 32
"""Lists and objects that may lie in one another."""
MAX_LINE = 8 << 20
"""Of `records/`: a line of syslog at its longest, each character written as six."""
Check = Callable[[Any], bool]
_SAFE = 1 << 53


def dumps(document: Mapping[str, Any]) -> bytes:
    """Return a document in its one spelling."""
    return rfc8785.dumps(dict(document))


def parse(data: bytes, place: str) -> Any:  # noqa: ANN401  # whatever the document is
    """Return the JSON of a member that is in its one spelling.

    Raises:
        Refused: E-11, naming the member.
    """
    try:
        found = json.loads(
            data, parse_float=_no_float, parse_constant=_no_float, object_pairs_hook=_once
        )
        if _deeper(found, MOST_NESTED):
            raise Refused("E-11", f"{place}: lists and objects are nested too deep")
        if rfc8785.dumps(found) != data:
            raise Refused("E-11", f"{place} is not in its canonical form")
    except (ValueError, TypeError, RecursionError) as error:
        raise Refused("E-11", f"{place} is not JSON as RFC 8785 writes it: {error}") from error
    return found


def _deeper(found: object, most: int) -> bool:
    """Say whether more than `most` lists and objects lie in one another."""
    if not isinstance(found, dict | list):
        return False
    inner = found.values() if isinstance(found, dict) else found
    return most == 0 or any(_deeper(one, most - 1) for one in inner)


def _no_float(text: str) -> object:
    raise ValueError(f"the number {text}")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a member twice")
    return found


def check(found: object, members: Mapping[str, Check], place: str) -> dict[str, Any]:
    """Return an object that has exactly these members.

    Raises:
        Refused: E-11, naming the member.
    """
    if not isinstance(found, dict) or found.keys() != members.keys():
        odd = found.keys() ^ members.keys() if isinstance(found, dict) else {"not an object"}
        raise Refused(
            "E-11", f"{place}: members missing or unknown: {', '.join(sorted(odd))[:80]!r}"
        )
    for name, holds in members.items():
        if not holds(found[name]):
            raise Refused("E-11", f"{place}: {name} cannot be {str(found[name])[:80]!r}")
    return found


def natural(value: object) -> bool:
    """Say whether it is an integer from 0 on."""
    return type(value) is int and 0 <= value < _SAFE


def text(pattern: str) -> Check:
    """Return a check for a text of this form."""
    compiled = re.compile(pattern)
    return lambda value: isinstance(value, str) and compiled.fullmatch(value) is not None


def only(*values: object) -> Check:
    """Return a check for one of these values."""
    return lambda value: type(value) is not bool and value in values


def flat(holds: Check) -> Check:
    """Return a check for a list."""
    return lambda value: isinstance(value, list) and all(map(holds, value))


def ascending(holds: Check) -> Check:
    """Return a check for a list of texts or numbers, each greater than the one before."""
    return lambda value: flat(holds)(value) and all(a < b for a, b in pairwise(value))


def keyed(names: Check, holds: Check) -> Check:
    """Return a check for an object of any members."""
    return lambda value: (
        isinstance(value, dict) and all(map(names, value)) and all(map(holds, value.values()))
    )


def record(**members: Check) -> Check:
    """Return a check for an object of exactly these members."""
    return lambda value: (
        isinstance(value, dict)
        and value.keys() == members.keys()
        and all(holds(value[name]) for name, holds in members.items())
    )


def base64_of(size: int) -> Check:
    """Return a check for canonical base64 of so many bytes."""
    return lambda value: _decoded(value) == size


def _decoded(value: object) -> int | None:
    try:
        return len(note.b64(value)) if isinstance(value, str) else None
    except Refused:
        return None


def b64(data: bytes) -> str:
    """Return bytes as base64."""
    return base64.b64encode(data).decode()


case_id = text(r"[A-Za-z0-9._-]{1,64}")
_person = case_id
_word = text(r"[a-z0-9][a-z0-9._/+-]{0,63}")
_log = text(r"[a-z][a-z0-9_]{0,31}")
_SITE = r"(?!schema(?:/|$))[a-z0-9](?:(?:[a-z0-9-]|\.(?!\.))*[a-z0-9])?"
_site = text(_SITE)
segment_id = text(_SITE + r"/[a-z][a-z0-9_]{0,31}/(0|[1-9][0-9]{0,15})")
_hash = text(r"[0-9a-f]{64}")
_string = text(r"(?s).*")
_moment = text(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")
_hashes = flat(base64_of(32))


def _query(value: object) -> bool:
    return (
        isinstance(value, dict)
        and bool(value.get("logs"))
        and ascending(_log)(value["logs"])
        and natural(value.get("from"))
        and natural(value.get("to"))
        and value["from"] < value["to"]
    )


MANIFEST: Mapping[str, Check] = {
    "LDID": _string,
    "approver": _person,
    "case": case_id,
    "completeness": keyed(segment_id, only(*LEVELS, "C3")),
    "deliveryDetails": record(recipient=_word),
    "files": flat(record(name=_string, size=natural, sha256=_hash)),
    "format": only(FORMAT),
    "legalBasis": _string,
    "operator": _person,
    "query": _query,
    "retainedDataHeader": record(
        cSPID=_string,
        requestID=record(
            authorisedOrganisationID=_string, countryCode=only("TH"), requestNumber=_string
        ),
        timeStamp=_moment,
    ),
    "rowCounts": keyed(segment_id, natural),
    "site": _site,
    "timezone": only("Asia/Bangkok"),
    "withheld": keyed(_log, flat(text(r"[a-z][a-z0-9_]{0,62}"))),
}
CUSTODY: Mapping[str, Check] = {
    "index": lambda value: value is None or natural(value),
    "step": only(*STEPS),
    "time": natural,
    "who": _person,
}
_ENTRIES_LOG = record(origin=_string, size=natural, indices=flat(natural), proof=_hashes)
_CONSISTENCY_LOG = record(origin=_string, sizes=flat(natural), proofs=flat(_hashes))


def _pair(value: object) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(map(natural, value))


_DISCLOSED = record(g=natural, tag=_string, count=natural, rows=flat(_pair), proof=flat(_string))
_NEIGHBOUR = record(g=natural, tag=_string, body=_hash)
_PROOF: Mapping[str, Check] = {
    "directory": flat(_string),
    "disclosed": flat(_DISCLOSED),
    "format": only(PROOF),
    "groups": natural,
    "neighbours": flat(_NEIGHBOUR),
    "segment": segment_id,
}


def read_manifest(data: bytes) -> dict[str, Any]:
    """Return `manifest.json`.

    Raises:
        Refused: E-11.
    """
    found = check(parse(data, "manifest.json"), MANIFEST, "manifest.json")
    if found["operator"] == found["approver"]:
        raise Refused("E-11", "manifest.json: who approved is who ran it")
    if found["completeness"].keys() != found["rowCounts"].keys():
        raise Refused("E-11", "manifest.json: completeness and rowCounts name other segments")
    return found


def read_logs(data: bytes, place: str, format_: str) -> list[dict[str, Any]]:
    """Return the `logs` of `proofs/entries.json` or `proofs/consistency.json`.

    Raises:
        Refused: E-11.
    """
    holds = _ENTRIES_LOG if format_ == ENTRIES else _CONSISTENCY_LOG
    found = check(parse(data, place), {"format": only(format_), "logs": flat(holds)}, place)
    logs: list[dict[str, Any]] = found["logs"]
    return logs


def read_proof(data: bytes, place: str) -> dict[str, Any]:
    """Return a proof of `proofs/`; its hashes and tags are checked where they are used.

    Raises:
        Refused: E-11.
    """
    found = parse(data, place)
    members = dict(_PROOF)
    if isinstance(found, dict) and "absent" in found:
        members["absent"] = lambda value: bool(value) and flat(_string)(value)
    return check(found, members, place)


def origin_hash(origin: str) -> str:
    """Return what stands for an origin in the names of members."""
    return hashlib.sha256(origin.encode()).hexdigest()


_XML = '<?xml version="1.0" encoding="UTF-8"?>\n'
_ASIC = "http://uri.etsi.org/02918/v1.2.1#"
_DS = "http://www.w3.org/2000/09/xmldsig#"
_SHA256 = "http://www.w3.org/2001/04/xmlenc#sha256"
ASIC_MANIFEST = "META-INF/ASiCManifest.xml"
TIMESTAMP = "META-INF/timestamp.tst"
_REFERENCE = re.compile(rb'<asic:DataObjectReference URI="([^"]+)">.*?<ds:DigestValue>([^<]+)<')


def asic_manifest(hashes: Mapping[str, str]) -> bytes:
    """Return `META-INF/ASiCManifest.xml` (EN 319 162-1) for these members and their SHA-256."""
    lines = [
        f'<asic:ASiCManifest xmlns:asic="{_ASIC}" xmlns:ds="{_DS}">',
        f'<asic:SigReference URI="{TIMESTAMP}" MimeType="application/vnd.etsi.timestamp-token"/>',
    ]
    for name, sha256 in sorted(hashes.items()):
        value = b64(bytes.fromhex(sha256))
        lines.append(
            f'<asic:DataObjectReference URI="{name}"><ds:DigestMethod Algorithm="{_SHA256}"/>'
            f"<ds:DigestValue>{value}</ds:DigestValue></asic:DataObjectReference>"
        )
    return (_XML + "\n".join([*lines, "</asic:ASiCManifest>", ""])).encode()


def asic_digests(data: bytes) -> dict[str, str]:
    """Return name and base64 digest of what an ASiC manifest refers to, to tell what differs."""
    pairs = _REFERENCE.findall(data)
    return {
        name.decode("utf-8", "replace"): value.decode("ascii", "replace") for name, value in pairs
    }
