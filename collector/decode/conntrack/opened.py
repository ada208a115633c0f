"""When open connections began, for kernels that do not stamp them.

Only with `nf_conntrack_timestamp` does the end of a connection say when it began. Else the
beginning is that of the message which told of it, remembered here until the end comes.
"""

from __future__ import annotations

from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt

from collector.decode.batch import Mask

MOST = 1 << 19
"""Connections remembered; past it the oldest are forgotten, whose end was missed most likely."""
_UNKNOWN = 0

Ints = npt.NDArray[np.int64]


class Opened:
    """Connections that began and have not ended, as far as anything here needs them."""

    def __init__(self) -> None:
        self._began: dict[int, int] = {}
        """µs by key; negative where it is only known that it was open by then."""
        self._stamped = False
        """Whether the kernel stamped the last connection that it told more of."""

    def __len__(self) -> int:
        """Return how many are remembered."""
        return len(self._began)

    def unstamped(self, created: Mask, stamped: Mask) -> Mask:
        """Return which new connections must be remembered: the kernel does not stamp now.

        Args:
            created: Messages that tell of a new connection; they are never stamped.
            stamped: Messages that bear the time at which the connection began.
        """
        rows = np.arange(len(created))
        last = np.maximum.accumulate(np.where(created, -1, rows))
        known = np.where(last >= 0, stamped[last], self._stamped)
        if len(last) and last[-1] >= 0:
            self._stamped = bool(stamped[last[-1]])
        needed: Mask = created & ~known
        return needed

    def remember(self, keys: Ints, began_us: Ints) -> None:
        """Remember when connections began."""
        self._began.update(zip(keys.tolist(), began_us.tolist(), strict=True))
        surplus = len(self._began) - MOST
        if surplus > 0:
            for key in list(islice(self._began, surplus)):
                del self._began[key]

    def seen(self, keys: Ints, at_us: Ints) -> tuple[Ints, Mask]:
        """Return since when open connections run, and whether that is their beginning."""
        known = self._began.setdefault
        pairs = zip(keys.tolist(), at_us.tolist(), strict=True)
        return _split([known(key, -at) for key, at in pairs])

    def ended(self, keys: Ints) -> tuple[Ints, Mask]:
        """Return the same of connections that end, and forget them; 0 where nothing is known."""
        forget = self._began.pop
        return _split([forget(key, _UNKNOWN) for key in keys.tolist()])

    def snapshot(self) -> dict[str, Any]:
        """Return what is remembered as JSON values."""
        keys, began = list(self._began), list(self._began.values())
        return {"keys": keys, "began": began, "stamped": self._stamped}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on with what `snapshot` returned."""
        self._began = dict(zip(state["keys"], state["began"], strict=True))
        self._stamped = state["stamped"]


def _split(began: list[int]) -> tuple[Ints, Mask]:
    times = np.array(began, np.int64)
    return np.abs(times), times > 0
