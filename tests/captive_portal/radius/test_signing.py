"""Who has signed once must sign, also after a restart, and nobody else for it."""

from sqlalchemy import Engine

from captive_portal.radius.signing import Signing
from tests.captive_portal.conftest import NOW


def test_who_signed_must_sign_from_then_on_and_after_a_restart(engine: Engine) -> None:
    signing = Signing(engine)
    assert not signing.must("10.0.0.0/8", "10.0.0.1")
    signing.saw("10.0.0.0/8", "10.0.0.1")
    signing.saw("10.0.0.0/8", "10.0.0.1")
    assert signing.must("10.0.0.0/8", "10.0.0.1")
    fresh = signing.fresh()
    assert list(fresh) == [("10.0.0.0/8", "10.0.0.1")]
    assert list(signing.fresh()) == []
    signing.write(fresh, NOW)
    again = Signing(engine)
    assert again.must("10.0.0.0/8", "10.0.0.1")
    assert not again.must("10.0.0.0/8", "10.0.0.2")
    assert not again.must("10.0.0.0/16", "10.0.0.1")
