"""A real FreeRADIUS upstream: PAP and MSCHAPv2, who gets in, and what it says of groups."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from captive_portal.errors import PortalError
from captive_portal.people.accounts import Account, Kind
from captive_portal.people.outside import Outside
from captive_portal.radius import client
from captive_portal.radius.upstream import Upstream, secret_of
from captive_portal.settings import OutsideGroup, RadiusUpstream
from captive_portal.sign_in.radius import RadiusWay
from captive_portal.sign_in.way import Attempt, NotNow, Unknown
from tests.captive_portal.conftest import NOW, SITE
from tests.captive_portal.freeradius import SECRET, FreeRadius, free_ports
from tests.captive_portal.radius.test_client import reply, server

USERS = """
malee Cleartext-Password := "ดอกมะลิ 2569"
    Class = "teachers", Chargeable-User-Identity = "0001"

"ก้อง" Cleartext-Password := "right"
    Filter-Id = "pupils"

gone Auth-Type := Reject
"""
SIGN = "update reply {\nMessage-Authenticator := 0x00\n}"


@pytest.fixture(scope="module")
def radius(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FreeRadius]:
    folder = tmp_path_factory.mktemp("freeradius")
    with FreeRadius(folder, users=USERS, post_auth=SIGN, ports=free_ports(2)) as one:
        yield one


def settings(*servers: str, **more: object) -> RadiusUpstream:
    given: dict[str, object] = {
        "id": "district",
        "site": SITE,
        "servers": servers,
        "secret_file": "secret",
    }
    return RadiusUpstream.model_validate(given | more)


def check(engine: Engine, told: RadiusUpstream, account: str, password: str) -> Account:
    upstream = Upstream(told, SECRET.encode())
    adopt = Outside(engine).adopt
    way = RadiusWay(told, upstream, adopt=adopt, clock=lambda: int(NOW.timestamp()) * 10**9)
    attempt = Attempt(
        site=SITE, address="10.0.0.5", mac="02:00:00:00:00:01", account=account, password=password
    )

    async def once() -> Account:
        with way:
            return await way.check(attempt)

    return asyncio.run(once())


@pytest.mark.parametrize("method", ["pap", "mschapv2"])
def test_who_is_right_gets_in_and_who_is_not_does_not(
    engine: Engine, radius: FreeRadius, method: str
) -> None:
    told = settings(f"127.0.0.1:{radius.auth_port}", method=method)
    found = check(engine, told, "malee", "ดอกมะลิ 2569")
    assert (found.account, found.source, found.proofing) == ("malee", "radius", "RADIUS district")
    assert check(engine, told, "ก้อง", "right").account == "ก้อง"
    for account, password in [("malee", "wrong"), ("nobody", "x"), ("gone", "x"), ("malee", "")]:
        with pytest.raises(Unknown):
            check(engine, told, account, password)


def test_groups_are_what_class_and_filter_id_say(engine: Engine, radius: FreeRadius) -> None:
    groups = (
        OutsideGroup(outside="Teachers", kind="teacher"),
        OutsideGroup(outside="pupils", kind="guest"),
    )
    told = settings(f"127.0.0.1:{radius.auth_port}", groups=groups)
    assert check(engine, told, "malee", "ดอกมะลิ 2569").kind is Kind.TEACHER
    assert check(engine, told, "ก้อง", "right").kind is Kind.GUEST


def test_a_server_that_does_not_sign_is_taken_only_as_legacy(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "WAITS_S", (0.5,))
    with FreeRadius(tmp_path / "old", users=USERS, ports=free_ports(2)) as old:
        address = f"127.0.0.1:{old.auth_port}"
        if "3.2.1" in old.version:
            with pytest.raises(NotNow):
                check(engine, settings(address), "ก้อง", "right")
        assert check(engine, settings(address, legacy=True), "ก้อง", "right").account == "ก้อง"


def test_a_server_that_accepts_without_the_proof_of_mschap_is_no_server(engine: Engine) -> None:
    with server(lambda request: [reply(request, 2)]) as (address, _):
        for fitting in ("pap", "mschapv2"):
            told = settings(address, method=fitting)
            sender = Upstream(told, b"a-secret-between-servers")

            async def once(sender: Upstream = sender) -> bool:
                try:
                    heard = await sender.ask("malee", "x", mac="", address="")
                    return heard.accepted
                finally:
                    sender.close()

            assert asyncio.run(once()) is (fitting == "pap")


def test_a_server_that_asks_for_more_lets_nobody_in(engine: Engine) -> None:
    with server(lambda request: [reply(request, 11)]) as (address, _), pytest.raises(Unknown):
        check(engine, settings(address), "malee", "x")


@pytest.mark.parametrize("text", ["", "short"])
def test_a_secret_that_is_too_short_is_told(tmp_path: Path, text: str) -> None:
    if text:
        (tmp_path / "secret").write_text(text)
    with pytest.raises(PortalError, match="district"):
        secret_of(tmp_path, settings())
