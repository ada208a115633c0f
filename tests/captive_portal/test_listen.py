"""What the portal says where it cannot listen: why, and what helps against that."""

import asyncio
import socket

import pytest

from captive_portal.errors import PortalError
from captive_portal.radius.server import AccountingServer
from captive_portal.web.serving import listen

NO_ADDRESS = "Cannot assign requested address; this machine has no such address (ip address)"


def test_a_port_that_is_taken_and_an_address_that_is_not_here_are_told_apart() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortalError) as found:
            listen("127.0.0.1", port)
    assert str(found.value) == (
        f"cannot listen for sign-ins on 127.0.0.1:{port}: Address already in use; another "
        "program has the port (ss -lntup): stop it, or change [sign_in]"
    )
    with pytest.raises(PortalError) as found:
        listen("192.0.2.7", 8080)
    said = "cannot listen for sign-ins on 192.0.2.7:8080"
    assert str(found.value) == f"{said}: {NO_ADDRESS}: change [sign_in]"


def test_the_same_holds_for_accounting() -> None:
    server = AccountingServer.__new__(AccountingServer)
    with pytest.raises(PortalError) as found:
        asyncio.run(server.open("192.0.2.7", 1813))
    said = "cannot listen for RADIUS accounting on 192.0.2.7:1813"
    assert str(found.value) == f"{said}: {NO_ADDRESS}: change [radius]"
