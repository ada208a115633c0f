"""The page's ports as a device meets them: http and https, and a certificate that changes."""

import asyncio
import resource
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from cryptography.x509 import load_pem_x509_certificate
from fastapi import FastAPI
from fastapi.responses import PlainTextResponse, RedirectResponse
from starlette.requests import Request
from starlette.types import Message

from captive_portal.errors import PortalError
from captive_portal.settings import SignIn
from captive_portal.web import certificate, connections, front, serving
from captive_portal.web.looks import Look
from captive_portal.web.own_names import OwnNames
from captive_portal.web.serving import SELF_MADE, PageServer
from captive_portal.web.sites import Place
from captive_portal.web.texts import texts

NOW = datetime.now(UTC)


def now_ns() -> int:
    return int(NOW.timestamp() * 1e9)


def app(settings: SignIn) -> FastAPI:
    made, names = FastAPI(), OwnNames(settings)

    @made.get("/{path:path}", response_model=None)
    async def show(request: Request) -> PlainTextResponse | RedirectResponse:
        page = names.elsewhere(request)
        return RedirectResponse(page, 302) if page else PlainTextResponse(request.url.scheme)

    return made


@contextmanager
def running(home: Path, settings: SignIn) -> Iterator[PageServer]:
    """Serve in a thread."""
    with PageServer(app(settings), settings, home=home, clock=now_ns) as server:
        thread = threading.Thread(target=lambda: asyncio.run(server.serve()))
        thread.start()
        try:
            yield server
        finally:
            server.stop()
            thread.join(20)
            assert not thread.is_alive()


def on_loopback(**more: object) -> SignIn:
    known = {"host": "127.0.0.1", "port": 0, "tls_port": 0, "names": ("wifi.school.example",)}
    return SignIn.model_validate({**known, **more})


def trusting(path: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=path)
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


def serial(port: int) -> str:
    """Return the serial number of the certificate that a port shows."""
    shown = ssl.get_server_certificate(("127.0.0.1", port))
    return str(load_pem_x509_certificate(shown.encode()).serial_number)


def pair(folder: Path, name: str, ends: datetime = NOW) -> tuple[Path, Path]:
    files = folder / f"{name}.crt", folder / f"{name}.key"
    certificate.make(*files, ["wifi.school.example"], now=ends)
    return files


def test_both_ports_answer_and_the_box_made_its_own_certificate(tmp_path: Path) -> None:
    with running(tmp_path, on_loopback()) as server:
        plain, tls = server.ports["sign_in"], server.ports["sign_in_tls"]
        assert httpx.get(f"http://127.0.0.1:{plain}/").text == "http"
        trust = trusting(tmp_path / SELF_MADE)
        with (
            socket.create_connection(("127.0.0.1", tls)) as raw,
            trust.wrap_socket(raw, server_hostname="wifi.school.example") as secured,
        ):
            assert secured.version() in ("TLSv1.2", "TLSv1.3")
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"https://127.0.0.1:{tls}/")  # nobody else vouches for it
        assert server.standing()["self_made"] is True
        assert 390 < int(str(server.standing()["days"])) < 397
    key = tmp_path / "tls" / "sign-in.key"
    assert key.stat().st_mode & 0o077 == 0


def test_who_asks_for_another_host_is_sent_to_the_address_he_reached(tmp_path: Path) -> None:
    with running(tmp_path, on_loopback(tls_port=None)) as server:
        port = server.ports["sign_in"]
        answer = httpx.get(
            f"http://127.0.0.1:{port}/generate_204",
            headers={"host": "connectivitycheck.gstatic.com"},
        )
        assert answer.status_code == 302
        assert answer.headers["location"] == f"http://127.0.0.1:{port}/"
        assert server.standing() == {}


def test_a_new_certificate_is_taken_up_and_a_wrong_one_leaves_the_old(tmp_path: Path) -> None:
    crt, key = pair(tmp_path, "page")
    settings = on_loopback(certificate=crt.name, certificate_key=key.name)
    with running(tmp_path, settings) as server:
        port = server.ports["sign_in_tls"]
        first = serial(port)
        other_crt, other_key = pair(tmp_path, "other")
        crt.write_bytes(other_crt.read_bytes())
        with pytest.raises(PortalError, match="cannot be used"):  # the key is still the old one's
            asyncio.run(server.renew_certificate())
        assert serial(port) == first
        key.write_bytes(other_key.read_bytes())
        asyncio.run(server.renew_certificate())
        assert serial(port) != first


def test_a_self_made_certificate_is_made_anew_before_it_ends(tmp_path: Path) -> None:
    files = pair(tmp_path, "page", NOW - timedelta(days=certificate.DAYS - 40))
    before = files[0].read_bytes()
    certificate.make(*files, ["wifi.school.example"], now=NOW)
    assert files[0].read_bytes() == before
    certificate.make(*files, ["wifi.school.example"], now=NOW + timedelta(days=12))
    assert files[0].read_bytes() != before


@pytest.mark.parametrize("fault", ["missing", "no pem", "no key"])
def test_a_certificate_that_cannot_be_used_names_the_setting(tmp_path: Path, fault: str) -> None:
    crt, key = pair(tmp_path, "page")
    match fault:
        case "missing":
            crt.unlink()
        case "no pem":
            crt.write_text("hello")
        case _:
            key.write_text("hello")
    settings = on_loopback(certificate=crt.name, certificate_key=key.name)
    server = PageServer(FastAPI(), settings, home=tmp_path, clock=now_ns)
    with pytest.raises(PortalError, match=r"settings: sign_in: certificate: .*page\.crt"), server:
        pass


def test_all_addresses_are_those_of_both_families(tmp_path: Path) -> None:
    reached: list[Callable[[int], str]] = [
        lambda port: httpx.get(f"http://127.0.0.1:{port}/").text,
        lambda port: httpx.get(f"http://[::1]:{port}/").text,
    ]
    with ExitStack() as stack:
        settings = on_loopback(host="::", tls_port=None)
        server = stack.enter_context(running(tmp_path, settings))
        assert [reach(server.ports["sign_in"]) for reach in reached] == ["http", "http"]


@pytest.mark.parametrize(
    "said", [b"", b"GET / HTTP/1.1\r\nHost: 127", b"GET / HTTP/1.1\r\nHost: [::1]\r\n\r\nGE"]
)
def test_who_says_nothing_whole_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: bytes
) -> None:
    monkeypatch.setattr(connections, "ASK_S", 0.2)
    monkeypatch.setattr(connections, "LONGEST_S", 3600.0)
    with running(tmp_path, on_loopback(tls_port=None)) as server:
        with socket.create_connection(("127.0.0.1", server.ports["sign_in"]), 20) as wire:
            wire.sendall(said)
            with suppress(ConnectionResetError):
                while wire.recv(4096):
                    pass
        assert httpx.get(f"http://127.0.0.1:{server.ports['sign_in']}/").status_code == 200


def test_a_form_that_drips_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(front, "FORM_S", 0.05)

    async def never() -> Message:
        await asyncio.sleep(3600)
        raise AssertionError

    request = Request({"type": "http", "method": "POST", "headers": []}, never)
    visit = front.Visit(
        request=request,
        place=Place(id="school-a", name="", networks=()),
        address="10.0.0.9",
        t=texts(None),
        look=Look(),
    )
    with pytest.raises(front.Answer) as early:
        asyncio.run(visit.fields())
    assert early.value.response.status_code == 408


def test_connections_are_not_as_few_as_a_process_begins_with() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
        serving.make_room()
        now, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        assert now == (serving.OPEN_FILES if hard < 0 else min(hard, serving.OPEN_FILES))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
