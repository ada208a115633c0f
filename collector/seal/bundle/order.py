"""What a bundle is to show and say: the order that a case gives, and what packing froze of it.

Both are plain JSON: the order comes over the control socket, both are kept with the case, and
together they decide every byte of the bundle.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Id = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")]
CASE = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
"""The number of a case; it names a folder."""
CaseId = Annotated[str, Field(pattern=f"^{CASE}$")]
Word = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
Log = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")]
Micros = Annotated[int, Field(ge=0, lt=1 << 53)]
Level = Literal["C0", "C1", "C2"]
Range = tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(ge=0)]]


class _Plain(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Told(_Plain):
    """What the bundle says of the case; none of it decides what is shown."""

    authority: str = ""
    """Who asks, as `authorisedOrganisationID`."""
    request: str = ""
    """The number of the request."""
    ldid: str = ""
    legal_basis: str = ""
    """Section of the law, number of the court's order."""
    operator_name: str = ""
    """Of the site, as `cSPID`."""
    recipient: Word
    """Class of the recipient, such as `police` or `court`."""
    approver: Id
    exporter: Id
    asked_us: Micros
    approved_us: Micros
    query: dict[str, str] = {}
    """The question as typed and as sentences: `text`, `thai`, `english` and so on."""

    @model_validator(mode="after")
    def _two_people(self) -> Self:
        if self.approver == self.exporter:
            raise ValueError("who approves cannot be who exports: two people are needed")
        return self


class Order(_Plain):
    """Which rows of which segments, how complete, and what the bundle says of the case."""

    case: CaseId
    site: str
    levels: dict[Log, Level]
    """How complete each log asked for is shown."""
    withhold: list[Log] = []
    """Logs whose detail columns are left out."""
    from_us: Micros
    to_us: Micros
    """Time of receipt, half open: the ledger must cover all of it."""
    subject: str | None = None
    """The person whose groups are shown, by id."""
    window: tuple[Micros, Micros] | None = None
    """At C0, only the subject's rows that last into this time."""
    rows: dict[str, list[Range]] | None = None
    """At C0, instead of a subject: ranges of row numbers by segment id."""
    told: Told

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if not self.levels:
            raise ValueError("a case shows at least one log")
        if self.from_us >= self.to_us:
            raise ValueError("the period ends before it begins")
        if not set(self.withhold) <= self.levels.keys():
            raise ValueError("details are withheld of a log that is not asked for")
        if (self.subject is None) == (self.rows is None):
            raise ValueError("a case shows either a person or rows that were found")
        if self.rows is not None and set(self.levels.values()) != {"C0"}:
            raise ValueError("rows that were found are C0: nobody can tell what else there was")
        for ranges in (self.rows or {}).values():
            if any(a[1] >= b[0] for a, b in pairwise(ranges)):
                raise ValueError("ranges of rows must ascend and not touch")
        return self

    @property
    def logs(self) -> list[str]:
        """The logs asked for, by name."""
        return sorted(self.levels)


class FrozenLog(_Plain):
    """One ledger as it stood at the first packing."""

    origin: str
    size: Annotated[int, Field(ge=1)]
    notes: dict[str, str]
    """Signed notes with all their lines, by size."""
    tokens: dict[str, str] = {}
    """Time-stamp tokens and their chains, base64, by file name."""


class Frozen(_Plain):
    """What the first packing saw."""

    logs: list[FrozenLog]
    """By origin."""
    packed_us: Micros
