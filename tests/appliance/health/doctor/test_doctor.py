"""What is wrong with a machine is found, told in two languages, and never hangs."""

from __future__ import annotations

import shutil
import socket
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from appliance.health.doctor import box, machine, network
from appliance.health.doctor.examine import LOOKS, examine
from appliance.health.doctor.finding import Finding, Ground, State, good, version_line
from appliance.settings import BoxSettings
from captive_portal.database import open_database
from captive_portal.radius import freeradius
from captive_portal.web import certificate

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
SITE = {"sites": [{"id": "school-a"}]}
NAS = {"network": "198.51.100.7", "secret_file": "nas/a", "site": "school-a"}


def ground(home: Path, **settings: object) -> Ground:
    made = BoxSettings.model_validate({**SITE, **settings})
    return Ground(home=home, settings=made, now=NOW)


def wrong(found: Iterator[Finding]) -> list[str]:
    """Return what is not well; each is told in both languages, with what to do."""
    bad = [one for one in found if one.state is not State.GOOD]
    for one in bad:
        assert all((one.english, one.thai, one.mend, one.mend_thai)), one
    return [f"{one.state.value} {one.english}" for one in bad]


def test_a_look_that_hangs_or_fails_is_a_finding_and_the_others_go_on(tmp_path: Path) -> None:
    (tmp_path / "prathu.toml").write_text('[[sites]]\nid = "school-a"\n')
    let_go = threading.Event()

    def slow(_: Ground) -> Iterator[Finding]:
        let_go.wait(60)
        yield good("slow", "late")

    def broken(_: Ground) -> Iterator[Finding]:
        yield good("broken", "so far")
        raise RuntimeError("odd")

    def well(_: Ground) -> Iterator[Finding]:
        yield good("well", "well")

    begun = time.monotonic()
    looks = {"slow": slow, "broken": broken, "well": well}
    found = list(examine(tmp_path, NOW, looks=looks, limit_s=0.2))
    let_go.set()
    assert time.monotonic() - begun < 30
    assert [(one.check, one.state.value) for one in found] == [
        ("settings", "good"),
        ("slow", "bad"),
        ("broken", "bad"),
        ("well", "good"),
    ]
    assert "no answer within" in found[1].english
    assert "RuntimeError: odd" in found[2].english


def test_nothing_in_the_home_is_made_or_changed(tmp_path: Path) -> None:
    (tmp_path / "prathu.toml").write_text('[[sites]]\nid = "school-a"\n')
    open_database(tmp_path).dispose()

    def state() -> dict[Path, int]:
        # SQLite makes and removes its two helpers beside the file while somebody reads it.
        lasting = [one for one in tmp_path.rglob("*") if not one.name.endswith(("-wal", "-shm"))]
        return {one: one.stat().st_mtime_ns for one in lasting if one.is_file()}

    before = state()
    found = list(examine(tmp_path, NOW))
    wrong(iter(found))
    assert state() == before
    # Of these nothing is to be said without a router, names and NASes in the settings.
    silent = {"gate", "interfaces", "names", "radius"}
    assert {one.check for one in found} == {"settings", *LOOKS} - silent


def test_no_settings_or_wrong_ones_are_the_only_finding(tmp_path: Path) -> None:
    (one,) = examine(tmp_path, NOW)
    assert (one.check, one.state) == ("settings", State.BAD)
    (tmp_path / "prathu.toml").write_text("frob = 1\n")
    (one,) = examine(tmp_path, NOW)
    assert "frob" in one.english


def test_what_others_may_read_is_found(tmp_path: Path) -> None:
    tmp_path.chmod(0o750)
    secret = tmp_path / "nas" / "a"
    secret.parent.mkdir()
    secret.write_text("x")
    secret.chmod(0o600)
    assert wrong(box.rights(ground(tmp_path))) == []
    secret.chmod(0o644)
    assert wrong(box.rights(ground(tmp_path))) == [
        f"bad other users of this machine may read {secret}"
    ]
    tmp_path.chmod(0o755)
    assert str(tmp_path) in wrong(box.rights(ground(tmp_path)))[0]


def test_a_port_that_somebody_else_has_is_found_with_its_setting(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        udp = ("flows", "syslog_udp")
        none: dict[str, list[str]] = {name: [] for name in (*udp, "syslog_tcp", "syslog_tls")}
        at = ground(
            tmp_path,
            listen={**none, "ipfix_tcp": [f"127.0.0.1:{port}"], "ipfix_tls": []},
            sign_in={"port": 0},
            radius={"authentication_port": 0, "accounting_port": 0, "coa_port": 0},
            admin={"port": port},
        )
        said = wrong(box.ports(at))
        assert [line.split(":")[0] for line in said] == [
            "bad [listen] ipfix_tcp",
            "bad [admin] port",
        ]
        (tmp_path / "run").mkdir()
        (tmp_path / "run" / "web.pid").write_text("1")  # it runs: the port is its own
        assert len(wrong(box.ports(at))) == 1


def test_a_database_that_is_none_is_found(tmp_path: Path) -> None:
    assert "there is none yet" in wrong(box.database(ground(tmp_path)))[0]
    open_database(tmp_path).dispose()
    assert wrong(box.database(ground(tmp_path))) == []
    (tmp_path / "database" / "prathu.sqlite").write_bytes(b"not a database at all" * 100)
    assert len(wrong(box.database(ground(tmp_path)))) == 1
    nowhere = "postgresql://prathu@127.0.0.1:1/prathu"
    assert len(wrong(box.database(ground(tmp_path, database=nowhere)))) == 1


def test_a_router_without_its_root_part_is_told(tmp_path: Path) -> None:
    zone = {"id": "all", "site": "school-a", "interface": "nosuch0.20", "address": "10.20.0.1/20"}
    at = ground(tmp_path, gateway={"uplink": "lo"}, zones=[zone])
    assert "the gate does not answer" in wrong(box.helper(at))[0]
    assert any("no interface nosuch0.20" in one for one in wrong(machine.interfaces(at)))
    assert list(box.helper(ground(tmp_path))) == []


def test_limits_of_the_kernel_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "PROC", tmp_path)
    net = tmp_path / "sys/net"
    (net / "core").mkdir(parents=True)
    (net / "netfilter").mkdir()
    (net / "core/rmem_max").write_text("212992\n")
    (net / "netfilter/nf_conntrack_max").write_text("8192\n")
    assert "212,992" in wrong(machine.kernel(ground(tmp_path)))[0]
    at = ground(tmp_path, gateway={"uplink": "lo"})
    assert "8,192 connections" in wrong(machine.kernel(at))[1]
    (net / "core/rmem_max").write_text("134217728\n")
    assert wrong(machine.kernel(ground(tmp_path))) == []


def test_programs_that_lack_or_are_old_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(freeradius, "program", lambda: "/usr/sbin/freeradius")
    monkeypatch.setattr(freeradius, "version", lambda: (3, 2, 1))
    at = ground(tmp_path, radius={"eap": True}, gateway={"uplink": "lo"})
    assert any("CVE-2024-3596" in one for one in wrong(machine.programs(at)))
    monkeypatch.setattr(freeradius, "version", lambda: (3, 2, 7))
    assert not any("CVE" in one for one in wrong(machine.programs(at)))
    monkeypatch.setattr(freeradius, "program", lambda: None)
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    assert [one.split()[3] for one in wrong(machine.programs(at))] == [
        *("nft", "dnsmasq", "ip", "freeradius")
    ]
    assert version_line(("/nonexistent", "-v")) == ""


def test_an_encrypted_volume_is_known_through_what_lies_upon_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "SYS", tmp_path)
    volume, below = tmp_path / "devices/dm-1", tmp_path / "devices/dm-0"
    for path, uuid in ((volume, "LVM-x"), (below, "CRYPT-LUKS2-x")):
        (path / "dm").mkdir(parents=True)
        (path / "dm/uuid").write_text(uuid)
    (volume / "slaves").mkdir()
    (volume / "slaves/dm-0").symlink_to(below)
    at = tmp_path / "dev/block"
    at.mkdir(parents=True)
    (at / "254:1").symlink_to(volume)
    assert machine._encrypted((254 << 8) | 1) is True
    (below / "dm/uuid").write_text("LVM-y")
    assert machine._encrypted((254 << 8) | 1) is False
    assert machine._encrypted((254 << 8) | 2) is None


def test_the_certificate_says_which_devices_lose_the_api(tmp_path: Path) -> None:
    assert "iPhone" in wrong(network.certificate(ground(tmp_path)))[0]
    page = {"public_url": "https://wifi.school.example/", "tls_port": 8443}
    at = ground(tmp_path, sign_in=page)
    assert wrong(network.certificate(at)) == []  # the box makes one when it starts
    folder = tmp_path / "tls"
    certificate.make(
        folder / "sign-in.crt", folder / "sign-in.key", ["wifi.school.example"], now=NOW
    )
    assert ["the box's own" in one for one in wrong(network.certificate(at))] == [True]
    later = Ground(home=tmp_path, settings=at.settings, now=NOW + timedelta(days=4000))
    assert any(one.startswith("bad the certificate") for one in wrong(network.certificate(later)))
    (folder / "sign-in.crt").write_text("no certificate")
    assert wrong(network.certificate(at))[0].startswith("bad ")
    without = ground(tmp_path, sign_in={"public_url": page["public_url"]})
    assert "tls_port is not set" in wrong(network.certificate(without))[0]


def test_secrets_of_nases_are_looked_at(tmp_path: Path) -> None:
    (tmp_path / "nas").mkdir()
    (tmp_path / "nas" / "a").write_text("short")
    at = ground(tmp_path, radius={"clients": [{**NAS, "message_authenticator": "legacy"}]})
    said = wrong(network.radius(at))
    assert [line.split()[0] for line in said] == ["warn", "bad", "warn"]
    assert "over the Internet" in said[0]
    assert "5 characters" in said[1]
    (tmp_path / "nas" / "a").write_text("correct-horse-battery")
    inside = {**NAS, "network": "10.9.0.0/16"}
    assert wrong(network.radius(ground(tmp_path, radius={"clients": [inside]}))) == []
    (tmp_path / "nas" / "a").unlink()
    gone = ground(tmp_path, radius={"clients": [inside]})
    assert "No such file" in wrong(network.radius(gone))[0]


def test_names_that_nobody_knows_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(*_: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    at = ground(tmp_path, sign_in={"public_url": "https://wifi.school.example/"})
    monkeypatch.setattr(socket, "getaddrinfo", nobody)
    assert "wifi.school.example" in wrong(network.names(at))[0]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: [1])
    assert wrong(network.names(at)) == []
    literal = ground(tmp_path, sign_in={"public_url": "https://192.0.2.1/"})
    assert list(network.names(literal)) == []
