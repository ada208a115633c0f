"""Bundles of cases, made in the sealing process: it alone has the segment keys.

`prove` packs what a case orders into `cases/<id>/`, `export` writes into the ledger that a bundle
goes out, before it does. What leaves is the bundle: no key, and no byte of a row not ordered.
Packing runs in the thread of whoever asked; only the entry waits for its place between batches.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from collector import durable
from collector.control import Handler
from collector.errors import Busy, CollectorError, SealError, StoreError
from collector.records import Clock
from collector.seal import files, ledger
from collector.seal.bundle import history
from collector.seal.bundle.order import CASE, Frozen, Order
from collector.seal.bundle.pack import Packed, Progress, pack
from collector.seal.keys import Rings
from collector.seal.sealer import Sealer
from collector.seal.vault import KEK, KEY_BYTES, Secrets, credential
from collector.sealing import SealWorker
from collector.store.catalog import Catalog

CASES = "cases"
ORDER, FROZEN, PACKED, SALT = "order.json", "frozen.json", "packed.json", "request.salt"
MOST_ROWS = 1500
"""Segments that one `export` entry names; more take several entries of the same bundle."""
REQUEST_S = 600.0


def bundle_path(home: Path, case: str) -> Path:
    """Return where the bundle of a case lies."""
    return home / CASES / case / f"case-{case}.zip"


def stored_order(home: Path, case: str) -> Order | None:
    """Return what a case orders, None when nobody defined it yet.

    Raises:
        SealError: what is stored is none, or this is no number of a case.
    """
    if not re.fullmatch(CASE, case):
        raise SealError(f"{case!r} is no number of a case")
    path = home / CASES / case / ORDER
    try:
        return Order.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError as error:
        raise SealError(f"{path} is not the order of a case") from error


class Disclosing:
    """Answers those who carry out approved cases.

    Args:
        home: The home.
        clock: Tells the time.
    """

    def __init__(self, home: Path, *, clock: Clock) -> None:
        self._home = home
        self._clock = clock
        self._packing = threading.Lock()
        self._progress: dict[str, tuple[int, int]] = {}

    def handlers(self, worker: SealWorker) -> dict[str, Handler]:
        """Return what the control socket answers to."""
        return {
            "prove": self._prove,
            "export": partial(self._export, worker),
            "case-key": partial(self._show_key, worker),
            "case-progress": self.progress,
        }

    def progress(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Return how many segments of a case are packed, and of how many."""
        done, of = self._progress.get(str(request["case"]), (0, 0))
        return {"done": done, "of": of}

    # Packing.

    def _prove(self, request: Mapping[str, Any]) -> dict[str, Any]:
        try:
            order = Order.model_validate_json(json.dumps(request["order"]))
        except ValidationError as error:
            told = error.errors()[0]
            place = ".".join(map(str, told["loc"]))
            raise CollectorError(f"the order of the case: {place} {told['msg']}") from error
        return self.prove(order)

    def prove(self, order: Order) -> dict[str, Any]:
        """Pack the bundle of a case, or find the one that was packed; return what it shows.

        Raises:
            SealError: it cannot be shown, or the case was defined otherwise before.
            Busy: another bundle is being packed.
        """
        if not self._packing.acquire(blocking=False):
            raise Busy("another bundle is being packed", hint="try again in a minute")
        try:
            return self._packed(order)
        finally:
            self._packing.release()
            self._progress.pop(order.case, None)

    def _packed(self, order: Order) -> dict[str, Any]:
        folder = self._home / CASES / order.case
        known = stored_order(self._home, order.case)
        if known is not None and known != order:
            raise SealError(
                f"the case {order.case} was defined otherwise",
                hint="a case never changes: give what is to be shown another case number",
            )
        out, before = bundle_path(self._home, order.case), self._before(folder)
        if before is None or not _whole(out, before):
            before = self._pack(order, folder, out, before)
        return {"case": order.case, "path": str(out.relative_to(self._home)), **before}

    def _pack(
        self, order: Order, folder: Path, out: Path, before: dict[str, Any] | None
    ) -> dict[str, Any]:
        """Pack; the case is fixed only when that went well, so a mistake can be put right."""
        frozen = self._frozen(folder, order)
        packed = pack(
            self._home, order, frozen, keys=self._keys(), out=out, tell=self._teller(order.case)
        )
        told = _plain(packed)
        if before is not None and before != told:
            raise SealError(
                f"packed again, the case {order.case} gave other bytes",
                hint="prathu verify --deep; the first bundle is the one in the ledger",
            )
        for name, text in (
            (ORDER, order.model_dump_json()),
            (FROZEN, frozen.model_dump_json()),
            (PACKED, json.dumps(told)),
        ):
            durable.replace(folder / name, text.encode())
        return told

    def _teller(self, case: str) -> Progress:
        def tell(done: int, of: int) -> None:
            self._progress[case] = done, of

        return tell

    def _frozen(self, folder: Path, order: Order) -> Frozen:
        path = folder / FROZEN
        if path.exists():
            return Frozen.model_validate_json(path.read_bytes())
        durable.make_dir(folder, ledger.READABLE)
        return history.freeze(self._home, order, self._clock() // 1000)[0]

    @staticmethod
    def _before(folder: Path) -> dict[str, Any] | None:
        path = folder / PACKED
        return json.loads(path.read_bytes()) if path.exists() else None

    def _keys(self) -> Any:  # noqa: ANN401  # what `pack` calls `Keys`
        """Return what gives segment keys; it never leaves this process."""
        kek = Secrets(self._home, random=os.urandom, wrap=credential(os.environ)).read(KEK)
        if kek is None or len(kek) != KEY_BYTES:
            raise SealError("there is no ring key here", hint="restore the secrets")
        return Rings(self._home, kek, random=os.urandom, put=_never).get

    # Going out.

    def _export(self, worker: SealWorker, request: Mapping[str, Any]) -> dict[str, Any]:
        order = stored_order(self._home, str(request["case"]))
        if order is None:
            raise SealError(f"no case {request['case']} was packed", hint="prathu prove first")
        told = self.prove(order)
        entries = list(self._entries(order, told))
        return {**told, "index": _recorded(worker, order.site, entries)}

    def _show_key(self, worker: SealWorker, request: Mapping[str, Any]) -> dict[str, Any]:
        """Give the key of one segment of a case: C3, for a sworn expert on the premises.

        It is in the ledger before it is seen.
        """
        order = stored_order(self._home, str(request["case"]))
        told = None if order is None else self.prove(order)
        name = str(request["segment"])
        if order is None or told is None or name not in told["levels"]:
            raise SealError(f"{name} is no segment that the case {request['case']} shows")
        entry = next(
            entry
            for chapter in history.thaw(self._home, order, self._frozen_of(order))
            for entry in chapter.told.values()
            if entry["type"] == "segment" and files.segment_id(entry) == name
        )
        key: bytes = self._keys()(name, entry["start"])
        shown = {"rows": {name: entry["rows"]}, "levels": {name: "C3"}}
        index = _recorded(worker, order.site, list(self._entries(order, {**told, **shown})))
        return {
            "segment": name,
            "key": key.hex(),
            "key_commit": entry["key_commit"],
            "index": index,
        }

    def _frozen_of(self, order: Order) -> Frozen:
        return self._frozen(self._home / CASES / order.case, order)

    def _entries(self, order: Order, told: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Give the entries that say that a bundle goes out, to whom and with what."""
        rows = []
        for name, count in told["rows"].items():
            _, log, seq = name.split("/")
            rows.append([log, int(seq), count, told["levels"][name]])
        rows.sort()
        common = {
            "type": "export",
            "bundle": {"sha256": told["sha256"], "size": told["size"]},
            "request_commit": self._commit(order),
            "approver": order.told.approver,
            "exporter": order.told.exporter,
            "recipient": order.told.recipient,
        }
        for at in range(0, max(len(rows), 1), MOST_ROWS):
            yield {**common, "rows": rows[at : at + MOST_ROWS]}

    def _commit(self, order: Order) -> str:
        """Return the commitment to the request; the salt stays with the case."""
        path = self._home / CASES / order.case / SALT
        if not path.exists():
            durable.replace(path, os.urandom(16), mode=0o600)
        return hashlib.sha256(path.read_bytes() + order.told.request.encode()).hexdigest()


def _recorded(worker: SealWorker, site: str, entries: list[dict[str, Any]]) -> int:
    """Write entries between two batches; return the index of the last."""
    done: Future[int] = Future()

    def write(sealers: Mapping[str, Sealer], _: Catalog) -> None:
        try:
            for entry in entries:
                sealers[site].record(entry)
            done.set_result(sealers[site].size - 1)
        except BaseException as error:
            done.set_exception(error)
            if not isinstance(error, CollectorError) or isinstance(error, StoreError):
                raise

    worker.aside(write)
    try:
        return done.result(timeout=REQUEST_S)
    except TimeoutError as error:
        raise CollectorError("the sealing process is busy", hint="ask again later") from error


def _plain(packed: Packed) -> dict[str, Any]:
    return {
        "sha256": packed.sha256,
        "size": packed.size,
        "rows": packed.rows,
        "levels": packed.levels,
        "destroyed": packed.destroyed,
        "lost": packed.lost,
    }


def _whole(path: Path, told: Mapping[str, Any]) -> bool:
    """Say whether the bundle that was packed before is still there."""
    return path.is_file() and files.file_hash(path) == told["sha256"]


def _never(path: Path, *_: object) -> None:
    raise SealError(f"{path} must not be written here")
