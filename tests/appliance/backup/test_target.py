"""Where backups lie: the same files by the same names, in a folder and on a real SFTP server."""

from __future__ import annotations

import errno
import os
import pwd
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from minio import Minio

from appliance.backup.target import Folder, Target, opened
from appliance.errors import BoxError, WrongUse
from appliance.settings import Backup

SSHD = shutil.which("sshd", path="/usr/sbin:/usr/bin:/sbin")
SFTP = Path("/usr/lib/openssh/sftp-server")
Place = Callable[[], AbstractContextManager[Target]]


class Server:
    """An OpenSSH server on loopback that lets one key in."""

    def __init__(self, folder: Path) -> None:
        if SSHD is None or not SFTP.exists():
            pytest.skip("no sshd: apt install openssh-server")
        self.folder, self.port = folder, _free_port()
        for name in ("host", "client", "stranger"):
            keygen = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
            subprocess.run(keygen, check=True)
        shutil.copy(folder / "client.pub", folder / "authorized")
        host = (folder / "host.pub").read_text().split()
        known = f"[127.0.0.1]:{self.port} {host[0]} {host[1]}\n"
        (folder / "known_hosts").write_text(known)
        (folder / "sshd_config").write_text(
            f"ListenAddress 127.0.0.1:{self.port}\nHostKey {folder / 'host'}\nStrictModes no\n"
            f"AuthorizedKeysFile {folder / 'authorized'}\nPasswordAuthentication no\n"
            f"PermitRootLogin yes\nPidFile none\nUsePAM no\nSubsystem sftp {SFTP}\n"
        )
        if os.getuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)
        command = [SSHD, "-D", "-e", "-f", str(folder / "sshd_config")]
        self._log = (folder / "sshd.log").open("wb")
        self._process = subprocess.Popen(command, stderr=self._log)
        self._wait()

    def _wait(self) -> None:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and self._process.poll() is None:
            with closing(socket.socket()) as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        pytest.skip(f"sshd did not start: {(self.folder / 'sshd.log').read_text()[-200:]}")

    def url(self, path: str = "") -> str:
        user = pwd.getpwuid(os.getuid()).pw_name
        return f"sftp://{user}@127.0.0.1:{self.port}{self.folder / 'remote'}{path}"

    def place(self, *, key: str = "client", known: str = "known_hosts") -> Place:
        settings = Backup(ssh_key=key, known_hosts=known)
        return lambda: opened(self.url(), home=self.folder, settings=settings)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait()
        self._log.close()


def _free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("sshd"))
    yield server
    server.stop()


class Storage:
    """S3-compatible storage on loopback, with a bucket for each caller."""

    def __init__(self, folder: Path) -> None:
        moto = pytest.importorskip("moto.server", reason="no moto: S3 storage is not tried")
        self.folder = folder
        (folder / "keys").write_text("access\nsecret\n")
        self._server: Any = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0)
        self._server.start()
        self.at = f"127.0.0.1:{self._server.get_host_and_port()[1]}"

    def place(self, bucket: str, *, make: bool = True, folder: str = "/a/b") -> Place:
        client = Minio(self.at, access_key="access", secret_key="secret", secure=False)
        if make:
            client.make_bucket(bucket_name=bucket)
        url, settings = f"s3+http://{self.at}/{bucket}{folder}", Backup(s3_keys="keys")
        return lambda: opened(url, home=self.folder, settings=settings)

    def stop(self) -> None:
        self._server.stop()


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Storage]:
    storage = Storage(tmp_path_factory.mktemp("s3"))
    yield storage
    storage.stop()


@pytest.fixture(params=["folder", "sftp", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "folder":
        (tmp_path / "home").mkdir()
        where = str(tmp_path / "disk")
        return lambda: opened(where, home=tmp_path / "home", settings=Backup())
    if request.param == "s3":
        storage: Storage = request.getfixturevalue("bucket")
        return storage.place(uuid4().hex)
    server: Server = request.getfixturevalue("server")
    shutil.rmtree(server.folder / "remote", ignore_errors=True)
    return server.place()


def test_files_are_kept_by_name(place: Place, tmp_path: Path) -> None:
    source, back = tmp_path / "source", tmp_path / "back"
    source.write_bytes(os.urandom(200_000))
    with place() as target:
        assert target.names() == []
        for name in ("b.age", "segments/school-a/flows/1.age", "a.age"):
            target.put(name, source)
        target.put("a.age", source)
    with place() as target:
        assert target.names() == ["a.age", "b.age", "segments/school-a/flows/1.age"]
        target.get("segments/school-a/flows/1.age", back)
        assert back.read_bytes() == source.read_bytes()
        target.delete("b.age")
        assert target.names() == ["a.age", "segments/school-a/flows/1.age"]


def test_a_full_disk_is_told_and_keeps_no_half_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: object, to: Path) -> None:
        to.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("shutil.copyfile", full)
    with pytest.raises(BoxError, match="No space left on device"):
        Folder(tmp_path / "disk").put("a/b", tmp_path / "source")
    assert [path for path in (tmp_path / "disk").rglob("*") if path.is_file()] == []


def test_a_torn_upload_is_no_file(server: Server) -> None:
    shutil.rmtree(server.folder / "remote", ignore_errors=True)
    (server.folder / "remote").mkdir()
    (server.folder / "remote" / "half.age.tmp").write_bytes(b"half")
    with server.place()() as target:
        assert target.names() == []


@pytest.mark.parametrize(
    ("key", "known", "told"),
    [
        ("stranger", "known_hosts", "ermission denied"),
        ("client", "sshd_config", "ost key"),
        ("nothing", "known_hosts", "nothing is missing: the private key"),
        ("client", "nothing", "nothing is missing: the server's host key"),
    ],
)
def test_only_who_is_known_is_talked_to(server: Server, key: str, known: str, told: str) -> None:
    if known == "sshd_config":  # any file without this server's key
        (server.folder / "other_hosts").write_text("")
        known = "other_hosts"
    with pytest.raises(BoxError, match=told), server.place(key=key, known=known)():
        pass


@pytest.mark.parametrize("where", ["ftp://h/x", "sftp://h/x", "sftp://u:secret@h/x", "s3://h"])
def test_an_odd_place_is_refused(tmp_path: Path, where: str) -> None:
    with (
        pytest.raises(WrongUse),
        opened(where, home=tmp_path, settings=Backup()),
    ):
        pass


def test_a_bucket_that_is_not_there_and_keys_that_are_none_are_told(bucket: Storage) -> None:
    with (
        pytest.raises(BoxError, match="there is no bucket nowhere"),
        bucket.place("nowhere", make=False)(),
    ):
        pass
    place = bucket.place(uuid4().hex)
    (bucket.folder / "keys").write_text("one")
    try:
        with pytest.raises(BoxError, match="has 1 words"), place():
            pass
    finally:
        (bucket.folder / "keys").write_text("access\nsecret\n")
