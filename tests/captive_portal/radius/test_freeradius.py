"""The configuration of FreeRADIUS: what the box writes, the daemon itself reads and takes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from captive_portal.errors import PortalError
from captive_portal.radius import device_root, freeradius
from captive_portal.settings import Radius
from tests.captive_portal.freeradius import program
from tests.conftest import REPO

SETTINGS = Radius(eap=True)


@pytest.mark.parametrize("template", sorted((REPO / "config" / "freeradius").glob("*")), ids=str)
def test_every_template_is_taken_by_the_daemon(template: Path, tmp_path: Path) -> None:
    program()
    assert template == freeradius.TEMPLATE
    folder = freeradius.write(tmp_path, SETTINGS)
    freeradius.check(folder)
    text = (folder / template.name).read_text()
    assert re.findall(r"@[A-Z_]+@", text) == []
    for path in (folder / template.name, folder / freeradius.DEVICES):
        assert path.stat().st_mode & 0o777 == 0o600


def test_what_the_daemon_does_not_take_is_told_in_its_words(tmp_path: Path) -> None:
    program()
    folder = freeradius.write(tmp_path, SETTINGS)
    conf = folder / "radiusd.conf"
    conf.write_text(conf.read_text().replace("default_eap_type = ttls", "default_eap_type = none"))
    with pytest.raises(PortalError, match="FreeRADIUS refuses its configuration"):
        freeradius.check(folder)


def test_a_path_that_would_be_read_as_more_is_refused(tmp_path: Path) -> None:
    home = tmp_path / "a home"
    with pytest.raises(PortalError, match="choose a plainer path"):
        freeradius.write(home, SETTINGS)


def test_half_of_a_new_pair_of_files_stops_nobody(tmp_path: Path) -> None:
    """Given a key that is put in before its certificate: the daemon that runs goes on."""
    program()
    freeradius.write(tmp_path, SETTINGS)
    before = freeradius.stamps(tmp_path, SETTINGS)
    assert all(before)
    (tmp_path / SETTINGS.eap_key).write_bytes((tmp_path / device_root.KEY).read_bytes())
    assert freeradius.stamps(tmp_path, SETTINGS) != before
    assert not freeradius.rewritten(tmp_path, SETTINGS)
    (tmp_path / SETTINGS.eap_key).unlink()
    (tmp_path / SETTINGS.eap_certificate).unlink()
    assert freeradius.rewritten(tmp_path, SETTINGS)
