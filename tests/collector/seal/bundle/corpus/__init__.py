"""Bundles for any verifier: good ones, and at least one for every number that a bundle can break.

`corpus(folder)` writes them. Each bad bundle has one fault, and everything that follows from it is
listed, hashed and signed anew, so that nothing else gives it away.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from collector.seal import mldsa
from collector.seal.bundle import history
from collector.seal.bundle.pack import pack
from collector.seal.note import COSIGNATURE, ML_DSA_44, SigningKey, VKey
from collector.seal.witness import Cosigner
from tests.collector.seal.bundle import packing
from tests.collector.seal.bundle.corpus import (
    claims,
    course,
    hostile,
    lost,
    members,
    proofs,
    quantum,
    signed,
)
from tests.collector.seal.bundle.corpus.faults import FORGED
from tests.collector.seal.bundle.forge import Forge, zipped
from tests.collector.seal.school import BEGIN, HOUR, SITE

__all__ = ["Case", "corpus"]
WRITTEN = (claims, course, hostile, lost, members, proofs, signed)
"""Where the changes stand; importing them registers them."""
NEW_YEAR = 1_830_297_600_000_000
"""2028-01-01T00:00:00Z in µs."""


class Case(NamedTuple):
    """One bundle and what a verifier must say of it."""

    name: str
    bundle: Path
    policy: Path | None
    expected: str
    """`valid`, or the number of the failure."""
    unable: str = ""
    """What a verifier says that cannot check ML-DSA lines, where that is another."""


def corpus(folder: Path) -> list[Case]:
    """Write all bundles and policies into a folder that is there; return what to expect."""
    made = [*_good(folder), *_forged(folder), *_zips(folder), *_policies(folder)]
    assert len({case.name for case in made}) == len(made)
    return made


# Good ones.


def night(folder: Path) -> packing.Pupils:
    """Return a school over midnight: a hand-over, an empty hour, a gap."""
    school = packing.Pupils(folder, begin_us=BEGIN - 3 * HOUR)
    school.start()
    school.pass_hour()
    school.pass_hour(0)
    school.sealer.stop()
    school.now_us += HOUR // 6
    school.start()
    school.pass_hour()
    school.sealer.stop()
    return school


def new_year(folder: Path) -> packing.Pupils:
    """Return a school over New Year: two ledgers."""
    school = packing.Pupils(folder, begin_us=NEW_YEAR - 2 * HOUR)
    school.start()
    for _ in range(4):
        school.pass_hour()
    school.sealer.stop()
    return school


ORDERS: dict[str, dict[str, Any]] = {
    "c1": {"levels": {"demo": "C1"}},
    "c1-withheld": {"withhold": ["demo"]},
    "c2": {"levels": {"demo": "C2"}},
    "c1-all-logs": {"levels": {"demo": "C1", "quiet": "C1"}},
    "c0-window": {"levels": {"demo": "C0"}, "window": (BEGIN - 3 * HOUR, BEGIN - 3 * HOUR + 500)},
    "absent": {"subject": "p-9999"},
    "quiet": {"levels": {"quiet": "C1"}},
}
_FOUND = {
    "levels": {"demo": "C0", "plain": "C0"},
    "rows": {f"{SITE}/demo/0": [(0, 1), (5, 17), (20, 21)], f"{SITE}/plain/2": [(3, 5)]},
}


def _good(folder: Path) -> Iterator[Case]:
    """Pack from true homes, signed by true keys."""
    for name, make, orders in (
        ("night", night, {**ORDERS, "c0-found": _FOUND}),
        (
            "new-year",
            new_year,
            {"c1": {}, "c2-withheld": {"levels": {"demo": "C2"}, "withhold": ["demo"]}},
        ),
    ):
        school = make(folder / f"home-{name}")
        policy = folder / f"{name}.policy"
        keys = {path.name: path for path in (school.home / "ledger" / SITE).iterdir()}
        vkeys = [json.loads(_first_entry(path))["log_vkey"] for _, path in sorted(keys.items())]
        policy.write_text("".join(f"log {vkey}\n" for vkey in vkeys) + "quorum none\n")
        for what, wanted in orders.items():
            order = packing.order(school, **{"from_us": school.begin_us, **wanted})
            bundle = folder / f"good-{name}-{what}.zip"
            frozen, _ = history.freeze(school.home, order, school.now_us)
            pack(school.home, order, frozen, keys=packing.keys_of(school), out=bundle)
            yield Case(f"good-{name}-{what}", bundle, policy, "valid")


def _first_entry(ledger: Path) -> bytes:
    bundle = min((ledger / "tile" / "entries").rglob("000.p/*"), key=lambda p: int(p.name))
    data = bundle.read_bytes()
    return data[2 : 2 + int.from_bytes(data[:2], "big")]


# Forged ones: one change each.


def _forged(folder: Path) -> Iterator[Case]:
    homes = {"night": folder / "home-night", "new-year": folder / "home-new-year"}
    for name, (base, number, change) in FORGED.items():
        home = next(path for start, path in homes.items() if base.startswith(start))
        forge = Forge(home, folder / f"good-{base}.zip")
        policy = folder / f"forged-{name}.policy"
        policy.write_text(forge.policy)
        change(forge)
        forge.relist()
        bundle = folder / f"{name}.zip"
        bundle.write_bytes(forge.zip())
        yield Case(name, bundle, policy, number)


# ZIPs.


def _zips(folder: Path) -> Iterator[Case]:
    base, policy = folder / "good-night-c1.zip", folder / "night.policy"
    original = base.read_bytes()
    with zipfile.ZipFile(base) as file:
        members = {name: file.read(name) for name in file.namelist()}
    listed = list(members.items())
    last, data = listed[-1]
    bundles = {
        "e-21-not-a-zip": b"PK\x05\x06" + bytes(40),
        "e-21-empty-file": b"",
        "e-21-cut-off": original[:-1],
        "e-21-bytes-behind": original + b"\0",
        "e-21-bytes-before": b"\0" + original,
        "e-21-mimetype-second": zipped([listed[1], listed[0], *listed[2:]]),
        "e-21-another-mimetype": zipped([("mimetype", b"application/zip"), *listed[1:]]),
        "e-21-a-member-twice": zipped([*listed, listed[-1]]),
        "e-21-members-out-of-order": zipped([listed[0], *reversed(listed[1:])]),
        "e-21-traversal": zipped([*listed, ("z/../../etc/passwd", b"x")]),
        "e-21-absolute-path": zipped([*listed, ("zz", b"x")]).replace(b"zz", b"/z"),
        "e-21-compressed": zipped(listed, method=8),
        "e-21-a-bomb": zipped([*listed[:-1], (last, bytes(8 << 20))], method=8),
        "e-21-encrypted": zipped(listed, flags=1),
        "e-21-data-descriptor": zipped(listed, flags=8),
        "e-21-extra-field": zipped(listed, extra=b"\x01\x00\x00\x00"),
        "e-21-a-time": zipped(listed, time=1),
        "e-21-a-gap": zipped(listed, gap=b"\0\0\0\0"),
        "e-21-checksums-differ": zipped(listed, central_crc=1),
        "e-21-a-wrong-checksum": zipped(listed, crc=1, central_crc=1),
        "e-21-names-differ": zipped(listed, central_name=last[:-1].encode() + b"x"),
        "e-21-a-comment": zipped(listed, comment=1),
        "e-21-a-size-beyond-the-end": original[:-10] + b"\xff\xff\xff\x7f" + original[-6:],
        "e-21-many-members": original[:-14] + b"\xff\xff\xff\xff" + original[-10:],
        "e-25-a-byte-changed": zipped([*listed[:-1], (last, bytes([data[0] ^ 1]) + data[1:])]),
        "e-25-the-manifest-changed": zipped(
            [
                (n, d.replace(b'"timezone"', b'"timezonf"') if n == "manifest.json" else d)
                for n, d in listed
            ]
        ),
        "e-25-the-asic-manifest-changed": zipped(
            [(n, d.replace(b"sha256", b"sha512") if n.endswith(".xml") else d) for n, d in listed]
        ),
    }
    for name, content in bundles.items():
        path = folder / f"{name}.zip"
        path.write_bytes(content)
        yield Case(name, path, policy, name[:4].upper())


# Policies.


def _policies(folder: Path) -> Iterator[Case]:
    base = folder / "good-night-c1.zip"
    log = (folder / "night.policy").read_text().splitlines()[0]
    origin = f"{SITE}/ledger/2027"
    other = SigningKey(origin, bytes([9]) * 32).vkey.text
    elsewhere = SigningKey("other.example/ledger/2027", bytes([9]) * 32).vkey.text
    public = SigningKey("witness.example/w", bytes([8]) * 32).vkey.public
    witness = VKey("witness.example/w", COSIGNATURE, public).text
    mldsa = VKey(origin, ML_DSA_44, bytes(1312)).text
    policies = {
        "e-03-the-policy-has-another-key": f"log {other}\nquorum none\n",
        "e-03-the-policy-has-another-log": f"log {elsewhere}\nquorum none\n",
        "e-19-a-witness-is-asked-for": f"{log}\nwitness w {witness}\nquorum w\n",
        "e-20-an-ml-dsa-line-is-asked-for": f"{log}\nlog {mldsa}\nquorum none\n",
    }
    yield Case("e-06-no-policy", base, None, "E-06")
    yield from _cosigned(folder)
    yield from _quantum(folder)
    for name, text in policies.items():
        path = folder / f"{name}.policy"
        path.write_text(text)
        yield Case(name, base, path, name[:4].upper())


def _cosigned(folder: Path) -> Iterator[Case]:
    """Have a witness sign one note: of the size all is proven to, of one before, or of none."""
    hub = Cosigner("hub.example/witness", bytes([5]) * 32)
    policy = folder / "cosigned.policy"
    for name, place, expected in (
        ("cosigned", -1, "valid"),
        ("e-19-a-note-from-before-the-rows-is-cosigned", 0, "E-19"),
    ):
        forge = Forge(folder / "home-night", folder / "good-night-c1.zip")
        book = forge.book
        size = book.sizes[place]
        old = book.note(size)
        line = hub.sign(old.partition(b"\n\n")[0] + b"\n", 1_804_200_000)
        for member in forge.members:
            forge.members[member] = forge.members[member].replace(old, old + line)
        forge.relist()
        policy.write_text(
            forge.policy.replace("quorum none", f"witness hub {hub.vkey.text}\nquorum hub")
        )
        bundle = folder / f"{name}.zip"
        bundle.write_bytes(forge.zip())
        yield Case(name, bundle, policy, expected)


def _quantum(folder: Path) -> Iterator[Case]:
    """Sign with ML-DSA, where the library can."""
    for variant in quantum.VARIANTS if mldsa.AVAILABLE else ():
        forge = Forge(folder / "home-night", folder / "good-night-c1.zip")
        policy = folder / f"{variant.name}.policy"
        policy.write_text(quantum.signed(forge, variant))
        bundle = folder / f"{variant.name}.zip"
        bundle.write_bytes(forge.zip())
        yield Case(variant.name, bundle, policy, variant.expected, variant.unable)
