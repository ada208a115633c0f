"""Other processes ask the portal over its socket; whatever they send, it answers or hangs up."""

import asyncio
import json
import socket
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typing_extensions import override

from captive_portal.desk.control import answering
from captive_portal.desk.desk import SessionDesk
from captive_portal.desk.finding import Kicked
from captive_portal.errors import GateError, PortalError
from tests.captive_portal.sessions.test_gated_machine import ONE


class Desk(SessionDesk):
    """Answers as a desk does."""

    def __init__(self) -> None:
        self.reviews = 0

    @override
    async def kick(self, start: str) -> Kicked:
        if start != "0123abcd":
            raise PortalError("no session has an id that begins so")
        return Kicked(session=ONE, gate="shut out", nas="")

    @override
    async def minute(self) -> None:
        self.reviews += 1
        if self.reviews > 1:
            raise GateError("no answer")


def asked(folder: Path, *lines: bytes) -> list[dict[str, Any]]:
    """Return what the socket answers to each line."""

    async def play() -> list[dict[str, Any]]:
        path = folder / "run" / "portal.sock"
        async with answering(path, Desk()):
            reader, writer = await asyncio.open_unix_connection(str(path))
            replies = []
            for line in lines:
                writer.write(line)
                replies.append(json.loads(await asyncio.wait_for(reader.readline(), 20)))
            writer.close()
        return replies

    return asyncio.run(play())


def test_a_kick_and_a_review(tmp_path: Path) -> None:
    kick = b'{"do":"kick","session":"0123abcd"}\n'
    other = b'{"do":"kick","session":"x"}\n'
    review = b'{"do":"review"}\n'
    assert asked(tmp_path, kick, other, review, review) == [
        {"ok": True, "session": str(ONE.id), "account": "person1", "gate": "shut out", "nas": ""},
        {"ok": False, "error": "no session has an id that begins so"},
        {"ok": True},
        {"ok": False, "error": "no answer"},
    ]


def test_the_file_of_a_dead_process_is_replaced_and_ours_taken_away(tmp_path: Path) -> None:
    path = tmp_path / "run" / "portal.sock"
    path.parent.mkdir()
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    assert asked(tmp_path, b'{"do":"review"}\n') == [{"ok": True}]
    assert not path.exists()


def test_a_folder_with_a_long_name(tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 60) / ("y" * 60)
    folder.mkdir(parents=True)

    async def play() -> None:
        async with answering(folder / "run" / "portal.sock", Desk()):
            assert (folder / "run" / "portal.sock").is_socket()

    asyncio.run(play())


def test_a_socket_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("a file")
    with pytest.raises(PortalError, match="cannot make the socket"):
        asked(tmp_path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(
    line=st.binary(max_size=60).map(lambda b: b.replace(b"\n", b"")).filter(len)
    | st.recursive(
        st.none() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["do", "session", "x"]), inner, max_size=3)
        ),
        max_leaves=6,
    ).map(lambda value: json.dumps(value).encode())
)
def test_anything_else_is_refused_in_words(tmp_path: Path, line: bytes) -> None:
    (reply,) = asked(tmp_path, line + b"\n")
    assert reply["ok"] is False
    assert reply["error"]
