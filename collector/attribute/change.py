"""What an event changed of who held an address."""

from __future__ import annotations

from dataclasses import dataclass

from collector.records import Binding


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A binding that is new (`old` None), no longer there (`new` None), or another than before.

    Old and new are of the same session and address and have the same begin.
    """

    old: Binding | None
    new: Binding | None

    @property
    def from_us(self) -> int:
        """The earliest time at which old and new give different answers.

        What is sealed from there on was attributed without knowing this.
        """
        old, new = self.old, self.new
        if old is None or new is None:
            return (old or new).start_us  # type: ignore[union-attr]  # one of them is there
        if old.person != new.person or old.method != new.method:
            return old.start_us
        return min(old.end_us, new.end_us)
