"""Pairs that cannot be: what is told, what is held back, and what is handed on as it always was."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from captive_portal.desk import claims
from captive_portal.desk.claims import Alarm, Claims, Places
from captive_portal.sessions.zones import Zones
from captive_portal.settings import Zone
from collector.records import CoverageEvent

PHONE, THIEF, NEW_PHONE = "02:00:5e:10:00:11", "02:00:5e:10:00:66", "02:00:5e:10:00:77"
FOUR, SIX, OTHER = "10.20.0.11", "2001:db8:20::11", "10.30.0.11"
ZONES = [
    Zone(
        id="pupils", site="school-a", interface="lan0", address="10.20.0.1/20",
        address6="2001:db8:20::1/64",
    ),
    Zone(id="staff-room", site="school-a", interface="lan1", address="10.30.0.1/24"),
]  # fmt: skip


class Play:
    """Claims with a clock of our own; the phone has a session on its addresses."""

    def __init__(self, owned: Sequence[str] = (FOUR, SIX)) -> None:
        self.now = 1_000.0
        self.seen: list[tuple[str, str]] = []
        self.rows: list[CoverageEvent] = []
        self.claims = Claims(
            self._see,
            zones=Zones(ZONES),
            holders=lambda asked: {at: PHONE for _, at in asked if at in owned},
            tell=self.rows.extend,
            clock=lambda: int(self.now * 10**9),
        )

    async def _see(self, pairs: Sequence[tuple[str, str]]) -> None:
        self.seen += pairs

    def hear(self, *pairs: tuple[str, str], later: float = 1.0) -> list[tuple[str, str]]:
        """Return what is handed on at once."""
        self.now += later
        self.seen = []
        asyncio.run(self.claims.see(pairs))
        return self.seen

    def wait(self, monkeypatch: pytest.MonkeyPatch, seconds: float) -> list[tuple[str, str]]:
        """Return what is handed on later."""
        self.now += seconds
        self.seen = []
        monkeypatch.setattr(claims, "LOOK_S", 0.0)

        async def attempt(_: str, do: Callable[[], Awaitable[None]]) -> None:
            await do()

        async def turn() -> None:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await self.claims.follow(attempt)

        asyncio.run(turn())
        return self.seen


@pytest.mark.parametrize("address", [FOUR, SIX])
def test_a_session_outlives_a_claim_that_its_device_answers(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    play = Play()
    assert play.hear((address, PHONE)) == [(address, PHONE)]
    assert play.hear((address, THIEF)) == []
    assert play.claims.standing()["waiting"] == 1
    assert play.hear((address, PHONE), later=9) == [(address, PHONE)]
    assert play.wait(monkeypatch, 60) == []
    [row] = play.rows
    assert (row.kind, row.source, row.site) == ("double-address", address, "school-a")
    assert row.note == f"{address} is claimed by {PHONE} and {THIEF}"
    assert play.claims.standing()["doubted"] == {address: 1_011 * 10**9}


def test_a_session_whose_device_is_gone_gives_way_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    play = Play()
    play.hear((FOUR, PHONE))
    assert play.hear((FOUR, THIEF)) == []
    assert play.wait(monkeypatch, 1.0) == []
    assert play.wait(monkeypatch, claims.CONFIRM_S) == [(FOUR, THIEF)]
    assert play.rows == []
    assert play.claims.standing()["waiting"] == 0


def test_whose_address_is_claimed_is_asked_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    play, asked = Play(), list[list[tuple[str, str]]]()

    async def ask(devices: Sequence[tuple[str, str]]) -> None:
        asked.append(list(devices))

    play.claims.ask = ask
    monkeypatch.setattr(claims, "ASKED_AT_ONCE", 1)
    play.hear((FOUR, PHONE), (SIX, PHONE))
    play.wait(monkeypatch, 1)
    assert not asked
    play.hear((FOUR, THIEF), (SIX, THIEF))
    play.wait(monkeypatch, 1)
    assert {each for one in asked for each in one} == {(FOUR, PHONE), (SIX, PHONE)}
    assert {len(one) for one in asked} == {1}
    asked.clear()
    play.hear((FOUR, PHONE), (SIX, PHONE))
    play.wait(monkeypatch, 1)
    assert not asked


def test_an_address_that_nobody_holds_goes_to_whoever_has_it_now() -> None:
    play = Play()
    assert play.hear(("10.20.0.77", PHONE)) == [("10.20.0.77", PHONE)]
    assert play.hear(("10.20.0.77", THIEF)) == [("10.20.0.77", THIEF)]
    assert play.hear(("192.0.2.7", THIEF)) == []  # of no zone


def test_a_device_at_two_places_by_turns_is_two_and_one_that_walks_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    play = Play()
    for address in ("10.20.0.21", OTHER, "10.20.0.21"):
        play.hear((address, PHONE), later=5)
    assert play.claims.alarms == 0
    play.hear((OTHER, PHONE), later=5)
    play.wait(monkeypatch, 0)
    [row] = play.rows
    assert (row.kind, row.source) == ("double-mac", PHONE)
    assert "10.20.0.21 (pupils) and 10.30.0.11 (staff-room) by turns" in row.note

    walks = Play()
    for address in ("10.20.0.21", OTHER) * 4:
        walks.hear((address, PHONE), later=61)
    assert walks.claims.alarms == 0


def test_the_same_is_told_once_in_a_while_and_counted_each_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    play = Play()
    for _ in range(5):
        play.hear(("10.20.0.77", PHONE))
        play.hear(("10.20.0.77", THIEF))
    play.wait(monkeypatch, 0)
    assert play.claims.alarms == 8
    assert len(play.rows) == 1


def test_claims_past_the_bound_are_refused_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "MOST_WAITING", 1)
    play = Play()
    play.hear((FOUR, PHONE), (SIX, PHONE))
    assert play.hear((FOUR, THIEF), (SIX, THIEF)) == []
    assert (play.claims.standing()["waiting"], play.claims.standing()["refused"]) == (1, 1)
    assert play.wait(monkeypatch, 60) == [(FOUR, THIEF)], "the other is not believed later either"
    assert play.hear((SIX, PHONE)) == [(SIX, PHONE)]


def test_who_claims_most_gives_way_to_who_claims_little(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "MOST_WAITING", 3)
    owned = [f"10.20.0.{n}" for n in range(100, 108)]
    play = Play(owned=owned)
    play.hear(*((at, PHONE) for at in owned))
    assert play.hear(*((at, THIEF) for at in owned[:7])) == []
    assert play.claims.standing()["refused"] == 4
    assert play.hear((owned[7], NEW_PHONE)) == []
    assert play.claims.standing()["refused"] == 5
    assert (owned[7], NEW_PHONE) in play.wait(monkeypatch, 60)


@given(
    st.lists(
        st.tuples(
            st.sampled_from([FOUR, SIX, OTHER, "10.20.0.21"]),
            st.sampled_from([PHONE, THIEF, "02:00:5e:10:00:77"]),
            st.floats(0, 100),
        ),
        max_size=60,
    )
)
def test_an_address_that_never_comes_back_is_never_told(
    sightings: list[tuple[str, str, float]],
) -> None:
    places, now, order = Places(), 0.0, dict[str, list[str]]()
    for address, mac, later in sightings:
        now += later
        told: list[Alarm] = places.take("pupils", address, mac, now)
        were = order.setdefault(address, [])
        came_back = mac in were and were[-1] != mac
        if not were or were[-1] != mac:
            were.append(mac)
        for alarm in told:
            assert alarm.kind == "double-mac" or came_back
