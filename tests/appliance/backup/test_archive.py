"""Any bytes at all end in a home or in one line of what is wrong."""

from __future__ import annotations

import contextlib
import io
import json
import tarfile
import tempfile
from pathlib import Path

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


@given(st.binary(max_size=2000))
def test_any_bytes_write_nothing_elsewhere(data: bytes) -> None:
    assert all(name.startswith("home/") for name in unpacked(data))


@given(st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(0, 255)), max_size=8))
def test_changed_bytes_write_nothing_elsewhere(changes: list[tuple[int, int]]) -> None:
    data = bytearray(WHOLE)
    for at, byte in changes:
        data[at] = byte
    assert all(name.startswith("home/") for name in unpacked(bytes(data)))
