"""The privacy notice of a place: its words, its version, and who has read it (PDPA s.23)."""

from __future__ import annotations

import asyncio
from datetime import datetime
from uuid import UUID

from captive_portal.people.notices import Notice, Notices
from captive_portal.settings import SignIn
from captive_portal.web.looks import Look, Looks
from captive_portal.web.sites import Place
from captive_portal.web.texts import ENGLISH, THAI, Texts

Parts = tuple[tuple[str, str], ...]
"""Headings and paragraphs."""


class NoticeBoard:
    """Tells the notice of each place. Used from one event loop."""

    def __init__(self, settings: SignIn, *, notices: Notices, looks: Looks) -> None:
        self._settings = settings
        self._notices = notices
        self._looks = looks
        self._known: dict[tuple[str, str], Notice] = {}

    def parts(self, place: Place, t: Texts) -> Parts:
        """Return the notice in one language, the settings filled in."""
        settings = self._settings
        filled = {
            "days": settings.keep_days,
            "controller": settings.controller or place.name,
            "contact": settings.contact or t.contact_missing,
        }
        return tuple((heading, text.format(**filled)) for heading, text in t.notice)

    async def current(self, place: Place, now: datetime) -> Notice:
        """Return the version that is shown at a place; a new one is kept as it is shown."""
        look = self._looks.of(place)
        texts = self._text(place, THAI, look), self._text(place, ENGLISH, look)
        if texts not in self._known:
            self._known[texts] = await asyncio.to_thread(self._notices.current, *texts, now=now)
        return self._known[texts]

    async def acknowledged(self, person: UUID, place: Place, now: datetime) -> Notice:
        """Keep that somebody went on after the version that is shown here."""
        notice = await self.current(place, now)
        await asyncio.to_thread(self._notices.acknowledge, person, notice.version, now=now)
        return notice

    def _text(self, place: Place, t: Texts, look: Look) -> str:
        own = "\n\n".join(look.text(t.lang))
        whole = "\n\n".join(f"{heading}\n{text}" for heading, text in self.parts(place, t))
        short = t.notice_short.format(days=self._settings.keep_days)
        return "\n\n".join(part for part in (short, t.notice_going_on, own, whole) if part)
