"""A certified provider that others have written: `oidc-provider` of npm, with its own pages."""

from __future__ import annotations

import asyncio
import re
import shutil
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qsl, urljoin, urlsplit

import httpx
import pytest
from sqlalchemy import Engine

from captive_portal.errors import Refused
from captive_portal.people.accounts import Kind
from tests.captive_portal.sign_in.oidc_provider import BACK, CLIENT, SECRET, Provider
from tests.captive_portal.sign_in.test_oidc import PHONE, Clocked, section
from tests.collector.receive.authority import Authority
from tests.conftest import REPO

PROGRAM = Path(__file__).with_name("provider.mjs")


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    node = shutil.which("node")
    if node is None or not (REPO / "node_modules/oidc-provider").is_dir():
        pytest.skip("oidc-provider is not installed: npm ci")
    folder = tmp_path_factory.mktemp("certified")
    certificate, key = Authority(folder).issue("127.0.0.1")
    words = [node, str(PROGRAM), str(certificate), str(key), CLIENT, SECRET, BACK]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=log, cwd=REPO)
        assert process.stdout is not None
        port = process.stdout.readline().decode().strip()
        assert port, (folder / "log").read_text()
        yield Provider(folder, issuer=f"https://127.0.0.1:{port}")
        process.terminate()
        process.wait(10)


@pytest.fixture
def made(tmp_path: Path, engine: Engine, provider: Provider) -> Iterator[Clocked]:
    one = Clocked(tmp_path, engine, section(provider))
    one.now = time.time_ns()
    with one.client:
        yield one


def in_a_browser(address: str, provider: Provider) -> dict[str, str]:
    """Do what a person does on the provider's pages; return what they are sent back with."""
    trusts = ssl.create_default_context(cafile=provider.folder / "ca.crt")
    with httpx.Client(verify=trusts) as browser:
        answer = browser.get(address)
        for _ in range(12):
            if answer.is_redirect:
                address = urljoin(str(answer.url), answer.headers["location"])
                if address.startswith(BACK):
                    return dict(parse_qsl(urlsplit(address).query))
                answer = browser.get(address)
                continue
            form = re.search(r'action="([^"]+)"', answer.text)
            prompt = re.search(r'name="prompt" value="(\w+)"', answer.text)
            assert form is not None, answer.text
            assert prompt is not None, answer.text
            typed = {"prompt": prompt[1], "login": "malee", "password": "anything"}
            answer = browser.post(urljoin(str(answer.url), form[1]), data=typed)
    raise AssertionError("the provider sends nobody back")


def test_somebody_goes_there_and_comes_back(made: Clocked, provider: Provider) -> None:
    async def trip() -> None:
        query = in_a_browser(await made.client.begin(PHONE, "th"), provider)
        account = await made.client.finish(PHONE, query)
        assert (account.account, account.full_name) == ("malee", "มาลี ดีงาม")
        assert account.kind is Kind.TEACHER
        with pytest.raises(Refused):
            await made.client.finish(PHONE, query)

    asyncio.run(trip())
    assert made.client.counts == {"begun": 1, "right": 1, "stale": 1}


def test_a_code_is_worth_nothing_to_who_has_another_verifier(
    made: Clocked, provider: Provider
) -> None:
    async def trip() -> None:
        stolen = in_a_browser(await made.client.begin(PHONE, "th"), provider)
        own = in_a_browser(await made.client.begin(PHONE, "th"), provider)
        with pytest.raises(Refused, match="does not take the code"):
            await made.client.finish(PHONE, {**own, "code": stolen["code"]})

    asyncio.run(trip())
