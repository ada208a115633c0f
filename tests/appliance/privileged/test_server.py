"""Portal and privileged process over a real socket: many at once, strangers, restarts, nonsense."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from appliance.errors import BoxError
from appliance.privileged.server import Server
from appliance.privileged.table import Call, GateTable
from appliance.privileged.writer import Writer
from captive_portal.errors import GateError
from captive_portal.gate import wire
from captive_portal.gate.client import GateClient
from captive_portal.sessions.passes import Pass
from tests.appliance.privileged.test_table import FakeKernel, agree, keeper_on
from tests.captive_portal.gate.test_book import make


@contextlib.asynccontextmanager
async def serving(
    keeper: GateTable, path: Path, *, users: tuple[int, ...] = (os.geteuid(),)
) -> AsyncIterator[Server]:
    """Serve a keeper as the privileged process does."""
    writer = Writer(keeper)

    async def apply(request: Mapping[str, Any]) -> dict[str, Any]:
        let_in, shut_out = (wire.passes(request.get(name)) for name in ("let_in", "shut_out"))
        await writer.apply(Call(let_in=let_in, shut_out=shut_out))
        return {}

    async def restore(request: Mapping[str, Any]) -> dict[str, Any]:
        passes = wire.passes(request.get("passes"))
        await writer.do(lambda: keeper.restore(passes))
        return {}

    async def counted(_: Mapping[str, Any]) -> dict[str, Any]:
        return {"counts": wire.told_counts(await writer.do(keeper.counted))}

    actions = {"apply": apply, "restore": restore, "counted": counted}
    server, ready = Server(path, actions, users=users), asyncio.Event()
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(writer.run()), group.create_task(server.serve(ready.set))]
        await ready.wait()
        try:
            yield server
        finally:
            for task in tasks:
                task.cancel()


def test_fifty_at_once_are_few_transactions_and_all_answered(tmp_path: Path) -> None:
    kernel = FakeKernel()
    keeper = keeper_on(kernel, tmp_path)

    async def run() -> None:
        async with serving(keeper, tmp_path / "s"):
            gate = GateClient(tmp_path / "s")
            await asyncio.gather(*(gate.apply([make(n)], []) for n in range(1, 51)))
            assert set(await gate.counted()) == set(range(1, 51))
            gate.close()

    asyncio.run(run())
    assert kernel.transactions < 10
    agree(keeper, kernel)


def test_one_wrong_call_among_many_fails_alone(tmp_path: Path) -> None:
    keeper = keeper_on(FakeKernel(), tmp_path)
    bad = Pass(serial=3, zone="pupils", mac="none", addresses=("10.20.0.3",))

    async def run() -> list[object]:
        async with serving(keeper, tmp_path / "s"):
            gate = GateClient(tmp_path / "s")
            calls = [gate.apply([each], []) for each in (make(1), bad, make(2))]
            results: list[object] = list(await asyncio.gather(*calls, return_exceptions=True))
            gate.close()
            return results

    results = asyncio.run(run())
    assert [isinstance(each, GateError) for each in results] == [False, True, False]
    assert set(keeper.passes) == {1, 2}


def test_a_caller_of_another_user_is_refused(tmp_path: Path) -> None:
    keeper = keeper_on(FakeKernel(), tmp_path)

    async def run() -> int:
        async with serving(keeper, tmp_path / "s", users=(os.geteuid() + 1,)) as server:
            gate = GateClient(tmp_path / "s", answer_s=1)
            with pytest.raises(GateError):
                await gate.apply([make(1)], [])
            gate.close()
            return server.refused

    assert asyncio.run(run()) >= 1
    assert not keeper.passes


def test_nonsense_gets_a_clear_line_and_nothing_else_suffers(tmp_path: Path) -> None:
    keeper = keeper_on(FakeKernel(), tmp_path)
    lines = [
        b"\n",
        b"{}\n",
        b"[1]\n",
        b'{"id":5,"do":"rm -rf"}\n',
        b"\xff\n",
        b'{"id":6,"do":"apply"}\n',
        b'{"id":' + b"[" * 900 + b"]" * 900 + b',"do":"apply"}\n',
        b'{"id":1e999,"do":{"a":[]}}\n',
        b'{"id":' + b"7" * 4000 + b',"do":NaN}\n',
        b"[" * 100_000 + b"\n",
        b'{"id":7,"do":"apply","shut_out":[],"let_in":' + b"[" * 800 + b"]" * 800 + b"}\n",
        b'{"id":8,"do":"apply","shut_out":[],"let_in":[' + b"0," * 200_000 + b"0]}\n",
    ]

    async def run() -> list[Any]:
        async with serving(keeper, tmp_path / "s"):
            reader, writer = await asyncio.open_unix_connection(str(tmp_path / "s"))
            said = []
            for text in lines:
                writer.write(text)
                said.append(json.loads(await reader.readline()))
            writer.close()
            gate = GateClient(tmp_path / "s")
            await gate.apply([make(1)], [])
            gate.close()
            return said

    said = asyncio.run(run())
    assert [each["ok"] for each in said] == [False] * len(lines)
    assert [each["id"] for each in said][3:] == [5, 0, 6, 0, 0, 0, 0, 7, 8]
    assert all("\n" not in each["error"] for each in said)


def test_who_takes_no_answers_is_not_asked_for_more(tmp_path: Path) -> None:
    keeper, under_way = keeper_on(FakeKernel(), tmp_path), 0

    async def much(_: Mapping[str, Any]) -> dict[str, Any]:
        nonlocal under_way
        under_way += 1
        return {"much": "x" * 1_000_000}

    async def run() -> None:
        server, ready = (
            Server(tmp_path / "m", {"counted": much}, users=[os.geteuid()]),
            asyncio.Event(),
        )
        serves = asyncio.create_task(server.serve(ready.set))
        await ready.wait()
        _, writer = await asyncio.open_unix_connection(str(tmp_path / "m"))
        for number in range(1, 500):
            writer.write(b'{"id":%d,"do":"counted"}\n' % number)
        async with serving(keeper, tmp_path / "s"):
            gate = GateClient(tmp_path / "s")
            await gate.apply([make(1)], [])
            gate.close()
        writer.close()
        serves.cancel()
        await asyncio.wait([serves])

    asyncio.run(run())
    assert under_way < 5


def test_what_an_action_cannot_do_is_told_and_the_others_go_on(tmp_path: Path) -> None:
    async def cannot(_: Mapping[str, Any]) -> dict[str, Any]:
        raise ZeroDivisionError

    async def run() -> list[Any]:
        server, ready = (
            Server(tmp_path / "c", {"apply": cannot}, users=[os.geteuid()]),
            asyncio.Event(),
        )
        serves = asyncio.create_task(server.serve(ready.set))
        await ready.wait()
        reader, writer = await asyncio.open_unix_connection(str(tmp_path / "c"))
        writer.write(b'{"id":1,"do":"apply"}\n{"id":2,"do":"apply"}\n')
        said = [json.loads(await reader.readline()) for _ in range(2)]
        writer.close()
        serves.cancel()
        await asyncio.wait([serves])
        return said

    said = asyncio.run(run())
    assert {each["id"] for each in said} == {1, 2}
    assert {each["error"] for each in said} == {"not possible: ZeroDivisionError"}


def test_the_client_waits_for_a_process_that_comes_back(tmp_path: Path) -> None:
    kernel = FakeKernel()
    keeper = keeper_on(kernel, tmp_path)

    async def run() -> int:
        gate = GateClient(tmp_path / "s")
        async with serving(keeper, tmp_path / "s"):
            await gate.apply([make(1)], [])
        call = asyncio.ensure_future(gate.apply([make(2)], []))
        await asyncio.sleep(0)
        async with serving(keeper, tmp_path / "s"):
            await call
            gate.close()
        return gate.begun

    assert asyncio.run(run()) == 2
    assert set(keeper.passes) == {1, 2}


def test_nobody_there_is_one_clear_line(tmp_path: Path) -> None:
    async def run() -> None:
        await GateClient(tmp_path / "s", answer_s=0.2).apply([make(1)], [])

    with pytest.raises(GateError, match=r"does not answer on .*; start the box as root"):
        asyncio.run(run())


def test_what_is_applied_while_the_database_is_read_is_not_lost(tmp_path: Path) -> None:
    keeper = keeper_on(FakeKernel(), tmp_path)

    async def run() -> None:
        async with serving(keeper, tmp_path / "s"):
            gate = GateClient(tmp_path / "s")
            await gate.apply([make(1), make(2), make(9)], [])

            async def read() -> list[Pass]:
                before = [make(1), make(2)]
                await gate.apply([make(3)], [make(1)])  # a sign-in and a sign-out in between
                return before

            await gate.reconcile(read)
            gate.close()

    asyncio.run(run())
    assert set(keeper.passes) == {2, 3}


def test_who_signs_in_while_the_gate_is_reconciled_is_let_in_after_it(tmp_path: Path) -> None:
    keeper = keeper_on(FakeKernel(), tmp_path)

    async def run() -> None:
        async with serving(keeper, tmp_path / "s"), asyncio.TaskGroup() as group:
            gate = GateClient(tmp_path / "s")
            await gate.apply([make(1)], [])

            async def read() -> list[Pass]:
                late = [make(1, "10.20.0.9"), make(2)]
                asyncio.get_running_loop().call_soon(
                    lambda: [group.create_task(gate.apply([each], [])) for each in late]
                )
                return [make(1)]

            await gate.reconcile(read)
            await gate.apply([make(3)], [])
        gate.close()

    asyncio.run(run())
    assert set(keeper.passes) == {1, 2, 3}
    assert keeper.passes[1].addresses == ("10.20.0.9",)


def test_a_socket_that_cannot_be_made_is_one_clear_line(tmp_path: Path) -> None:
    async def run() -> None:
        await Server(tmp_path / "none" / "s", {}, users=()).serve(lambda: None)

    with pytest.raises(BoxError, match="cannot make the socket"):
        asyncio.run(run())
