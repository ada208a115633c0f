"""The gate's one writer: the book of passes, and the kernel that must be as the book says.

Not for more than one thread. A call that cannot be done leaves book and kernel as they were.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from typing_extensions import override

from appliance.privileged.kernel import Found, Kernel
from appliance.privileged.netlink import Counted
from appliance.privileged.run import Failed
from appliance.privileged.tally import Tally
from captive_portal.errors import GateError
from captive_portal.gate import ruleset
from captive_portal.gate.book import Book, Step, changed, to_cut, wanted
from captive_portal.gate.classes import Classes
from captive_portal.gate.elements import Change, Key, change, orders, to_passes
from captive_portal.gate.plan import Plan
from captive_portal.gate.wire import no_collecting
from captive_portal.sessions.passes import Pass, Passed

LOG = logging.getLogger(__name__)
FEW = 1000
"""Counts of up to so many passes are asked for one by one; past that, the maps are read whole."""
RENEW_MS = 600_000
"""Addresses of the garden that have less left, and are in use, begin their day anew."""
Now = Callable[[], datetime]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One wish of the portal."""

    let_in: Sequence[Pass]
    shut_out: Sequence[Pass]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mended:
    """What was not as it should be."""

    missing: int = 0
    extra: int = 0
    changed: int = 0
    rules: bool = False
    """The rules themselves."""

    def __bool__(self) -> bool:
        """Return whether anything was."""
        return bool(self.missing or self.extra or self.changed or self.rules)

    @override
    def __str__(self) -> str:
        """Return it as a line of the log has it."""
        rules = ", and the rules" if self.rules else ""
        return f"{self.missing} missing, {self.extra} extra, {self.changed} wrong elements{rules}"


@dataclass
class Figures:
    """Counts of what the writer did."""

    transactions: int = 0
    failed: int = 0
    mended: int = 0
    cuts_failed: int = 0
    last_ms: float = 0.0
    reasons: list[str] = field(default_factory=list)


class GateTable:
    """The kernel's table of the gate, kept as the book says."""

    def __init__(self, plan: Plan, *, kernel: Kernel, tally: Tally, now: Now) -> None:
        self._plan = plan
        self._kernel = kernel
        self._tally = tally
        self._now = now
        self._book = Book(Classes())
        self._limits: list[tuple[str, int, int]] = []
        self._rules = ""
        self.figures = Figures()

    @property
    def passes(self) -> Mapping[int, Pass]:
        """All passes that are in force."""
        return self._book.passes

    def start(self) -> None:
        """Load the rules; who is in stays in. Raises Failed: nft does not take them."""
        found = self._kernel.read(self._now())
        classes = self._kernel.classes() if found else Classes()
        self._book = Book(classes)
        if found:
            with no_collecting():
                self._book.load(to_passes(found.elements, classes).values())
            self._tally.seen(found.counts)
        self._tally.load(self._book.passes)
        try:
            self._load()
        except Failed as error:
            if not self._kernel.stands():
                raise
            LOG.warning("the table of an earlier version gives way to a new one: %s", error)
            self._load(anew=True)
            self._mend()
        LOG.info("the gate stands; %d sessions were in already", len(self._book.passes))

    def reload(self, plan: Plan) -> None:
        """Change the rules; sessions and connections go on. Raises Failed: nothing changed."""
        before, self._plan = self._plan, plan
        try:
            self._load()
        except Failed:
            self._plan = before
            raise
        opened = [[zone.id for zone in each.zones if not zone.portal] for each in (before, plan)]
        if before.free != plan.free or opened[0] != opened[1]:
            self._kernel.cut_free()

    def apply(self, calls: Sequence[Call]) -> list[GateError | None]:
        """Do many calls in one transaction; return for each what went wrong, or None.

        When the transaction fails, each is tried alone.
        """
        results: list[GateError | None] = [None] * len(calls)
        steps: list[Step] = []
        for index, call in enumerate(calls):
            try:
                steps.append(self._book.apply(call.let_in, call.shut_out))
            except GateError as error:
                results[index] = error
        try:
            self._commit(steps)
        except Failed:
            for step in reversed(steps):
                self._book.undo(step)
            for index, call in enumerate(calls):
                results[index] = results[index] or self._alone(call)
        self._tally.save()
        return results

    def restore(self, passes: Sequence[Pass]) -> Mended:
        """Make book and kernel know these passes and no others, in one step.

        Raises:
            GateError: more speeds than there are classes; all stays as it was.
            Failed: the kernel took none of it.
        """
        before = self._book
        with no_collecting():
            book = Book(before.classes)
            book.load(passes)
            self._book = book
            try:
                mended = self._mend()
            except Failed:
                self._book = before
                raise
            self._tally.end(before.passes.keys() - book.passes.keys())
            self._tally.save()
        return mended

    def check(self) -> Mended:
        """Compare the kernel with the book, and mend it. Raises Failed."""
        now = self._now()
        self._end(self._book.expired(now))
        with no_collecting():
            mended = self._mend()
        if mended:
            self.figures.mended += 1
            LOG.warning("the kernel was not as it should be, mended: %s", mended)
        for zone in self._plan.zones:
            if zone.portal:
                for name in ("garden4", "garden6", "provider4", "provider6"):
                    self._kernel.renew(f"{name}_{zone.suffix}", least_ms=RENEW_MS)
        self._tally.save()
        return mended

    def let_visit(self, mac: str) -> None:
        """Let a device reach providers of OpenID Connect for a while. Raises Failed."""
        self._kernel.let_visit(mac)

    def stands(self) -> bool:
        """Return whether the table is there at all; it costs next to nothing. Raises Failed."""
        return self._kernel.stands()

    def counted(self, serials: Collection[int] | None = None) -> dict[int, Passed]:
        """Return the counts of all passes, and of those that have ended. Raises Failed.

        Args:
            serials: Of these alone, which is the faster the fewer they are.
        """
        if serials is not None and len(serials) <= FEW:
            return self._counted_of(serials)
        if serials is not None:
            whole = self.counted()
            return {serial: whole[serial] for serial in serials if serial in whole}
        found = self._kernel.read(self._now()) or Found({}, {})
        self._tally.seen(found.counts)
        with no_collecting():
            counts = {k: (found.elements[k].serial, each) for k, each in found.counts.items()}
            book = self._book.elements
            lost = [(key, each.serial) for key, each in book.items() if key not in counts]
            return self._tally.sums({*self._book.passes, *self._tally.ended}, counts, lost)

    def _counted_of(self, serials: Collection[int]) -> dict[int, Passed]:
        """Return the counts of a few passes: their elements are asked for one by one."""
        counts: dict[Key, tuple[int, Counted]] = {}
        lost: list[tuple[Key, int]] = []
        for serial in serials:
            for key in self._book.keys_of(serial):
                counted = self._kernel.count(key)
                if counted is None:
                    lost.append((key, serial))
                else:
                    counts[key] = (serial, counted)
        self._tally.seen({key: counted for key, (_, counted) in counts.items()})
        known = [s for s in serials if s in self._book.passes or s in self._tally.ended]
        return self._tally.sums(known, counts, lost)

    def dropped(self) -> dict[str, tuple[int, int]]:
        """Return packets and bytes that were not let through, by reason. Raises Failed."""
        return self._kernel.dropped() if self._kernel.stands() else {}

    def _alone(self, call: Call) -> GateError | None:
        """Try one call; if the kernel refuses it, mend the kernel and try once more."""
        for last in (False, True):
            try:
                step = self._book.apply(call.let_in, call.shut_out)
            except GateError as error:
                return error
            try:
                self._commit([step])
            except Failed as error:
                self._book.undo(step)
                self.figures.failed += 1
                if last:
                    return GateError(f"the kernel did not take it: {error}")
                self._try_to_mend()
            else:
                return None
        return None

    def _try_to_mend(self) -> None:
        try:
            self.check()
        except Failed as error:
            LOG.warning("cannot mend the gate: %s", error)

    def _commit(self, steps: Sequence[Step]) -> None:
        change_ = changed(self._book, steps)
        if change_:
            counts = {key: self._kernel.count(key) for key in change_.take}
            self._write(change_)
            for key, element in change_.take.items():
                self._tally.gone(key, element.serial, counts[key])
            self._cut(change_)
        before = {serial: each for step in steps for serial, each in step.before.items()}
        self._tally.end(s for s, p in before.items() if s not in self._book.passes and p)
        self._tally.begin(s for s in before if s in self._book.passes)

    def _mend(self) -> Mended:
        now = self._now()
        found = self._kernel.read(now)
        rules = found is None or self._kernel.fingerprint() != self._rules
        if rules:
            self._load()
        have = found or Found({}, {})
        change_ = change(have.elements, wanted(self._book, now))
        if change_:
            self._write(change_)
        self._tally.seen(have.counts)
        for key, element in change_.take.items():
            self._tally.gone(key, element.serial, have.counts.get(key))
        for key in change_.put.keys() - change_.take.keys():
            self._tally.gone(key, change_.put[key].serial, None)
        if change_:
            self._cut(change_)
        both = len(change_.put.keys() & change_.take.keys())
        put, taken = len(change_.put) - both, len(change_.take) - both
        return Mended(missing=put, extra=taken, changed=both, rules=rules)

    def _write(self, change_: Change) -> None:
        """Change the kernel's maps in one transaction, after classes that it names."""
        limits = list(self._book.classes.limits())
        if limits != self._limits:
            self._kernel.load(ruleset.class_rules(self._book.classes))
            self._limits = limits
            self._rules = self._kernel.fingerprint()
        self._kernel.transact(orders(change_, self._now()))
        self.figures.transactions += 1

    def _cut(self, change_: Change) -> None:
        """End connections. The rules hold without it: no packet of who is out goes through."""
        try:
            self._kernel.cut(to_cut(self._book, change_))
        except Failed as error:
            self.figures.cuts_failed += 1
            LOG.warning("connections go on to be translated as before: %s", error)

    def _end(self, passes: Sequence[Pass]) -> None:
        """Take passes out of the book that the kernel itself has ended."""
        if not passes:
            return
        step = self._book.apply((), passes)
        for key, element in step.keys.items():
            if element is not None:
                self._tally.gone(key, element.serial, None)
        self._tally.end(each.serial for each in passes)

    def _load(self, *, anew: bool = False) -> None:
        """Load the rules; `anew`: without what is in the table now."""
        first = f"delete table inet {ruleset.TABLE}\n" if anew else ""
        self._kernel.load(first + ruleset.render(self._plan, self._book.classes))
        self._limits = list(self._book.classes.limits())
        self._rules = self._kernel.fingerprint()
