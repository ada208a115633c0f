"""Controllers that are asked by us: what they must say before anybody is let in."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from captive_portal.errors import PortalError
from captive_portal.people.accounts import People
from captive_portal.settings import Controller, PortalSettings
from captive_portal.sign_in.one_time import OneTime
from captive_portal.web.handover import controller, gateways, unifi
from captive_portal.web.handover.gateways import Gateways
from tests.captive_portal.conftest import SITE
from tests.captive_portal.web.handover import school as made
from tests.captive_portal.web.handover.controllers import OMADA_ID, Omada, Unifi, serving
from tests.captive_portal.web.handover.school import MAC, School
from tests.captive_portal.web.test_app import PUPIL

UNIFI = f"/guest/s/default/?ap=02:00:5e:aa:00:01&id={MAC}&t=1742398732&url=http://x&ssid=school"
OMADA = (
    f"/portal/omada?clientMac={MAC.upper().replace(':', '-')}&apMac=02-00-5E-AA-00-01"
    "&ssidName=school&t=1&radioId=1&site=a&redirectUrl=http://x"
)
Begin = Callable[..., School]


@pytest.fixture
def begin(
    engine: Engine, people: People, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Begin]:
    """Give a way to begin a school with one controller."""
    monkeypatch.setattr(unifi, "EVERY_S", 0.01)
    with ExitStack() as stack:

        def school(brain: Any, *, ca_file: str = "", **more: Any) -> School:
            where = stack.enter_context(serving(tmp_path, brain, **more))
            is_omada = isinstance(brain, Omada)
            section = Controller(
                kind="omada" if is_omada else "unifi",
                site=SITE,
                url=where.url,
                ca_file=ca_file or where.ca_file,
                secret_file="controller/key",
                operator="operator" if is_omada else "",
                controller_id=OMADA_ID if is_omada else "",
            )
            one = stack.enter_context(made.school(engine, people, tmp_path, [section]))
            monkeypatch.setattr(gateways, "mac_of", lambda at: one.known.get(at, ""))
            return one

        yield school


def test_unifi_lets_in_the_client_that_it_knows_at_the_address_that_asks(begin: Begin) -> None:
    console = Unifi({MAC: PUPIL}, lag=3)
    school = begin(console)
    answer = school.sign_in(UNIFI)
    assert (answer.status_code, answer.headers["location"]) == (303, "/session?lang=th")
    assert console.authorised[MAC] == {
        "action": "AUTHORIZE_GUEST_ACCESS",
        "timeLimitMinutes": 60,
    }
    assert console.lag < 0, "looked at until it was so"
    assert school.desk.sessions[SITE, PUPIL].mac == MAC
    assert school.desk.notices[-1], "the log has the version of the notice"
    assert school.gateways.counts == {"unifi let-in": 1}


def test_unifi_is_told_no_client_of_another_address(begin: Begin) -> None:
    for console in (
        Unifi({MAC: "10.0.0.6"}),
        Unifi({"02:00:5e:10:00:02": PUPIL}),
        Unifi({MAC: ""}),
    ):
        school = begin(console)
        answer = school.sign_in(UNIFI)
        assert answer.status_code == 403
        assert "ลิงก์" in answer.text
        assert (console.authorised, school.desk.sessions) == ({}, {})
        assert school.gateways.counts == {"unifi other-device": 1}


def test_unifi_knows_the_device_also_by_the_kernel(begin: Begin) -> None:
    console = Unifi({MAC: ""})
    school = begin(console)
    school.known[PUPIL] = MAC
    assert school.sign_in(UNIFI).status_code == 303


@pytest.mark.parametrize(
    "console",
    [
        Unifi({MAC: PUPIL}, lag=1000),
        Unifi({MAC: PUPIL}, refuses=True),
        Unifi({MAC: PUPIL}, site="another"),
    ],
)
def test_success_is_not_shown_before_it_is_so(begin: Begin, console: Unifi) -> None:
    school = begin(console)
    answer = school.sign_in(UNIFI)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "30")
    assert school.desk.sessions == {}, "the session is over again"


def test_nobody_is_let_in_whom_the_log_does_not_know(begin: Begin) -> None:
    console = Unifi({MAC: PUPIL})
    school = begin(console)
    school.desk.fails = True
    assert school.sign_in(UNIFI).status_code == 503
    assert console.authorised == {}


def test_omada_is_asked_with_what_it_said_and_its_token(begin: Begin) -> None:
    brain = Omada()
    school = begin(brain)
    school.known[PUPIL] = MAC
    assert school.sign_in(OMADA).status_code == 303
    assert brain.authorised == [
        {
            "clientMac": "02-00-5E-10-00-01",
            "apMac": "02-00-5E-AA-00-01",
            "ssidName": "school",
            "radioId": 1,
            "site": "a",
            "authType": 4,
            "time": 3_600_000,
        }
    ]
    brain.token = "csrf-2"  # the operator's session has run out
    del school.desk.sessions[SITE, PUPIL]
    assert school.sign_in(OMADA).status_code == 303
    assert (brain.logins, len(brain.authorised)) == (2, 2)


def test_omada_says_nothing_of_a_device_so_the_kernel_must_know_it(begin: Begin) -> None:
    brain = Omada()
    school = begin(brain)
    assert school.sign_in(OMADA).status_code == 403
    school.known[PUPIL] = "02:00:5e:10:00:02"
    school.refused(OMADA)
    assert (brain.logins, school.gateways.counts) == (0, {"omada other-device": 2})


def test_omada_that_refuses_lets_nobody_in(begin: Begin) -> None:
    brain = Omada(refuses=True)
    school = begin(brain)
    school.known[PUPIL] = MAC
    assert school.sign_in(OMADA).status_code == 503
    assert (brain.authorised, school.desk.sessions) == ([], {})


def test_a_certificate_that_is_not_right_is_not_believed(begin: Begin, tmp_path: Path) -> None:
    console = Unifi({MAC: PUPIL})
    assert begin(console, name="other.example").sign_in(UNIFI).status_code == 503
    assert console.asked == []
    (tmp_path / "controller").rename(tmp_path / "before")
    strange = begin(console, ca_file="before/ca.pem")
    assert strange.sign_in(UNIFI).status_code == 503
    assert console.asked == []


@pytest.mark.parametrize(
    "raw",
    [b"<html>", b"[1]", b'"x"', b"{" * 5000, b"x" * (controller.MOST_ANSWER + 2), b'{"data":3}'],
)
def test_answers_that_are_no_answers_let_nobody_in(begin: Begin, raw: bytes) -> None:
    school = begin(Unifi({MAC: PUPIL}), raw=raw)
    assert school.sign_in(UNIFI).status_code in (403, 503)
    assert school.desk.sessions == {}


def test_controllers_that_cannot_be_asked_are_told_at_the_start(tmp_path: Path) -> None:
    given = {"site": SITE, "url": "https://unifi.school.example", "secret_file": "key"}
    sections = [
        Controller(kind="unifi", **given),
        Controller(kind="omada", **given),
    ]
    for section, said in zip(sections, ("cannot be read", "operator"), strict=True):
        with pytest.raises(PortalError, match=said):
            Gateways(
                tmp_path,
                PortalSettings(controllers=(section,)),
                one_time=OneTime(lambda: 0),
                clock=lambda: 0,
            )


def test_limits_of_somebody_are_told_within_what_the_api_takes() -> None:
    limits = controller.Limits(minutes=0, up_kbit=1, down_kbit=10**6, left_bytes=3 * 10**9)
    assert unifi._action(limits) == {
        "action": "AUTHORIZE_GUEST_ACCESS",
        "timeLimitMinutes": 1,
        "rxRateLimitKbps": 100_000,
        "txRateLimitKbps": 2,
        "dataUsageLimitMBytes": 3000,
    }
