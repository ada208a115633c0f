"""MSCHAPv2 as RFC 2759 9.2 works it out."""

import json

import pytest

from captive_portal.people.nt_hashes import nt_hash
from captive_portal.radius import mschap
from tests.captive_portal.radius.test_guard import PACKETS

# RFC 2759 9.2.
SERVER = bytes.fromhex("5b5d7c7d7b3f2f3e3c2c602132262628")
PEER = bytes.fromhex("21402324255e262a28295f2b3a337c7e")
PROOF = bytes.fromhex("82309ecd8d708b5ea08faa3981cd83544233114a3d85d6df")


def test_the_worked_example_of_the_rfc() -> None:
    hashed = nt_hash("clientPass")
    assert hashed.hex() == "44ebba8d5312b8d611474411f56989ae"
    assert mschap.challenge_hash(PEER, SERVER, b"User").hex() == "d02e4386bce91226"
    given = {"peer": PEER, "server": SERVER, "user": b"User", "told": PROOF}
    assert mschap.proves(hashed, **given)
    assert mschap.success(hashed, **given) == "S=407A5589115FD0D6209F510FE9C04566932CDA56"
    assert not mschap.proves(nt_hash("clientpass"), **given)
    assert not mschap.proves(hashed, **given | {"user": b"user"})


@pytest.mark.skipif(not PACKETS.exists(), reason="../shared/data/radius is not here")
def test_the_shared_example_is_the_same() -> None:
    examples = json.loads((PACKETS.parent / "rfc_examples.json").read_text())
    (one,) = [example for example in examples if example["source"].startswith("RFC 2759")]
    assert nt_hash(one["password"]).hex() == one["nt_hash"]
    assert PROOF.hex() == one["nt_response"]
