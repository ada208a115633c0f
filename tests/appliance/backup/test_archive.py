"""Any bytes at all end in a home or in one line of what is wrong."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import lzma
import tarfile
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.backup import archive
from appliance.errors import BoxError


def whole() -> bytes:
    """Return an archive, not encrypted."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        writer = archive.Writer(tar)
        writer.add(archive.HEAD, json.dumps({"format": archive.FORMAT}).encode())
        writer.add("prathu.toml", b"# settings\n", mode=0o640)
        writer.add("keys/school-a/2027-03-04.ring", b"{}\n")
    return out.getvalue()


WHOLE = whole()


def unpacked(data: bytes) -> set[str]:
    """Return the files that came out of it."""
    with tempfile.TemporaryDirectory() as folder:
        path, home = Path(folder) / "archive.tar", Path(folder) / "home"
        path.write_bytes(data)
        with contextlib.suppress(BoxError):
            archive.unpack(path, home)
        left = {str(p.relative_to(folder)) for p in Path(folder).rglob("*") if p.is_file()}
    return left - {"archive.tar"}


def test_a_whole_archive_comes_out() -> None:
    assert unpacked(WHOLE) == {"home/prathu.toml", "home/keys/school-a/2027-03-04.ring"}


def with_member(info: tarfile.TarInfo, data: bytes = b"x") -> bytes:
    """Return an archive with one more member."""
    out = io.BytesIO(WHOLE)
    with tarfile.open(fileobj=out, mode="a") as tar:
        info.size = len(data) if info.isreg() else 0
        tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


@pytest.mark.parametrize(
    "name",
    [
        *("secrets/backup.key", "secrets/prathu.log.a", "secrets/prathu.witness", "state/x"),
        *("hub/witness.json", "logs/x", "/etc/x", "a/../../x", "prathu.toml/x", "keys"),
        *("secrets", "spool/0", "prathu.toml/../../x", "x\0y", "nas/" + "x" * 300),
    ],
)
def test_a_member_that_no_backup_has_is_refused(name: str, tmp_path: Path) -> None:
    path, home = tmp_path / "archive.tar", tmp_path / "home"
    path.write_bytes(with_member(tarfile.TarInfo(name)))
    try:
        archive.unpack(path, home)
    except (BoxError, OSError):
        pass
    else:
        assert "\0" in name, "tar ends a name there, and what is left belongs"
    left = {str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file()}
    assert left - {"archive.tar"} <= {"home/prathu.toml", "home/keys/school-a/2027-03-04.ring"}


@pytest.mark.parametrize(
    "kind",
    [
        *(tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE),
        *(tarfile.DIRTYPE, tarfile.GNUTYPE_SPARSE),
    ],
)
def test_links_devices_and_holes_are_refused(kind: bytes, tmp_path: Path) -> None:
    info = tarfile.TarInfo("nas/x")
    info.type, info.linkname = kind, "/etc/passwd"
    path = tmp_path / "archive.tar"
    path.write_bytes(with_member(info))
    with pytest.raises(BoxError):
        archive.unpack(path, tmp_path / "home")
    assert not (tmp_path / "home" / "nas").exists()


def test_a_compressed_archive_and_a_deep_or_long_head_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "archive.tar"
    packed = lzma.compress(WHOLE), gzip.compress(WHOLE)
    for data in (*packed, headed(b"[" * 9999), headed(bytes(9 << 20))):
        path.write_bytes(data)
        with pytest.raises(BoxError):
            archive.unpack(path, tmp_path / "home")
    assert not (tmp_path / "home").exists()


def headed(head: bytes) -> bytes:
    """Return an archive of a head alone."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        archive.Writer(tar).add(archive.HEAD, head)
    return out.getvalue()


@given(st.binary(max_size=2000))
def test_any_bytes_write_nothing_elsewhere(data: bytes) -> None:
    assert all(name.startswith("home/") for name in unpacked(data))


@given(st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(0, 255)), max_size=8))
def test_changed_bytes_write_nothing_elsewhere(changes: list[tuple[int, int]]) -> None:
    data = bytearray(WHOLE)
    for at, byte in changes:
        data[at] = byte
    assert all(name.startswith("home/") for name in unpacked(bytes(data)))
