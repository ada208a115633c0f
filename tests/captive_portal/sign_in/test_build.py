"""Settings of zones and ways that do not fit are told before anything is opened."""

from pathlib import Path

import pytest
from sqlalchemy import Engine

from captive_portal.errors import PortalError
from captive_portal.radius.upstream import upstream
from captive_portal.settings import Ldap, PortalSettings, RadiusUpstream, Zone
from captive_portal.sign_in import build
from tests.captive_portal.conftest import SITE

DIRECTORY = Ldap(
    id="ad",
    site=SITE,
    servers=("ldaps://localhost",),
    base="dc=school",
    user_dn="{account}@school.example",
)
RADIUS = RadiusUpstream(id="district", site=SITE, servers=("127.0.0.1:1812",), secret_file="secret")


def made(home: Path, engine: Engine, *ways: str, **more: object) -> object:
    zone = Zone(id="wifi", site=SITE, networks=("10.0.0.0/8",), ways=ways)
    settings = PortalSettings.model_validate({"zones": (zone,), **more})
    return build.chain(home, settings, engine, asks=upstream, clock=lambda: 0)


def test_what_the_settings_name_is_there(tmp_path: Path, engine: Engine) -> None:
    (tmp_path / "secret").write_text("a secret of some length")
    assert made(
        tmp_path, engine, "local", "ldap", "radius", ldap=(DIRECTORY,), radius_upstream=(RADIUS,)
    )


@pytest.mark.parametrize("way", ["telepathy", "ldap", "radius"])
def test_a_way_that_is_not_there_is_told(tmp_path: Path, engine: Engine, way: str) -> None:
    with pytest.raises(PortalError, match="wifi"):
        made(tmp_path, engine, "local", way)


def test_a_way_that_a_nas_may_not_ask_is_told(tmp_path: Path, engine: Engine) -> None:
    with pytest.raises(PortalError, match="radius has an unknown way"):
        made(tmp_path, engine, "local", radius={"ways": ("telepathy",)})


def test_a_way_of_another_site_is_not_there(tmp_path: Path, engine: Engine) -> None:
    other = DIRECTORY.model_copy(update={"site": "school-b"})
    with pytest.raises(PortalError, match="wifi"):
        made(tmp_path, engine, "ldap", ldap=(other,))


def test_a_secret_that_is_not_there_is_told(tmp_path: Path, engine: Engine) -> None:
    with pytest.raises(PortalError, match="district"):
        made(tmp_path, engine, "local", radius_upstream=(RADIUS,))
