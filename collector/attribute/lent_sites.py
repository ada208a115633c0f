"""The lent blocks of all sites, beside the timeline whose sessions hold them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from collector.attribute.change import Change
from collector.attribute.holders import Holders
from collector.attribute.lent import SLACK_US, Blocks, Cell
from collector.records import Binding

_NONE: dict[str, Cell] = {}


class Lent:
    """What the NATs of each site lent; costs nothing while none told of any."""

    def __init__(
        self,
        held: Callable[[str, str], Iterable[Binding]],
        holders: dict[str, Holders],
    ) -> None:
        """Begin with nothing.

        Args:
            held: Gives all bindings of an address of a site.
            holders: The holders of each site, live; they know cells by their keys.
        """
        self.slack_us = SLACK_US
        self._held = held
        self._holders = holders
        self._sites: dict[str, Blocks] = {}

    @property
    def refused(self) -> int:
        """Blocks that found no room."""
        return sum(blocks.refused for blocks in self._sites.values())

    def of(self, site: str) -> Blocks:
        """Return the blocks of a site."""
        if site not in self._sites:
            self._sites[site] = Blocks(self.slack_us)
            self._holders.pop(site, None)  # those that are made from now on know cells too
        return self._sites[site]

    def known(self, site: str) -> Blocks | None:
        """Return the blocks of a site, None where nobody told of any."""
        return self._sites.get(site)

    def keys(self, site: str) -> dict[str, Cell]:
        """Return the cells of a site by their keys, live once there is one."""
        return self._sites[site].cells if site in self._sites else _NONE

    def touch(self, site: str, held: str) -> None:
        """Note that who held an address or a prefix is another than before."""
        if site in self._sites:
            self._sites[site].touch(held)

    def changes(self) -> list[Change]:
        """Bind anew what changed, and return the bindings of blocks that are other than before."""
        found: list[Change] = []
        for site, blocks in self._sites.items():
            for cell, changed in blocks.settle(partial(self._held, site)):
                if site in self._holders:
                    self._holders[site].touch(cell.key)
                    self._holders[site].touch(cell.lent_key)
                found += [
                    Change(old=old, new=new)
                    for old, new in changed
                    if (old is None or old.person) and (new is None or new.person)
                ]
        return found

    def forget(self, before_us: int) -> None:
        """Let go of what only says something about the time before; that withdraws nothing."""
        for blocks in self._sites.values():
            blocks.forget(before_us)
        self.changes()

    def plain(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return {site: blocks.plain() for site, blocks in self._sites.items()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take in what `plain` returned; its bindings were listed before."""
        for site, blocks in state.items():
            self.of(site).restore(blocks)
        self.changes()
