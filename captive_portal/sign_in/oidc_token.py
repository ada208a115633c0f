"""Whether an ID token is the provider's, for us, now, and the answer to our own question.

OpenID Connect Core 1.0, section 3.1.3.7. Only signatures by a key pair count: `none` and the HS
family, whose key would be a public one, are not looked at.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import ECKey, KeySet, OKPKey, RSAKey, import_key

from captive_portal.errors import Refused

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "Ed25519")
LEEWAY_S = 60
"""The provider's clock may be so wrong."""
MAX_AGE_S = 600
"""A token was made for the code that came just now."""
MAX_TIME_S = 2**40
"""Seconds since 1970: what is more is no time."""
MAX_KEYS = 32
_PAIRS = ("RSA", "EC", "OKP")
_SUBJECT = re.compile(r"[\x21-\x7e]{1,255}")
_FAULTS = (JoseError, ValueError, TypeError, KeyError, AttributeError, RecursionError)
"""What the libraries raise of tokens and keys that are none."""


class BadToken(Refused):
    """An ID token that proves nothing; the message says why, for counts and the log."""


class UnknownKey(BadToken):
    """Signed with a key that was not told: keys change."""


def key_set(told: Mapping[str, Any]) -> KeySet:
    """Return the public keys of a JWKS (RFC 7517 5) that could have signed; odd ones are left out.

    Raises:
        BadToken: there is none.
    """
    listed = told.get("keys")
    keys: list[RSAKey | ECKey | OKPKey] = []
    for one in listed[:MAX_KEYS] if isinstance(listed, list) else []:
        if not isinstance(one, dict) or one.get("kty") not in _PAIRS or one.get("use") == "enc":
            continue
        try:
            key = import_key(one)
        except _FAULTS:
            continue
        if isinstance(key, RSAKey | ECKey | OKPKey):
            keys.append(key)
    if not keys:
        raise BadToken("the provider tells no usable key")
    return KeySet(list(keys))


def claims(token: object, keys: KeySet, *, expected: Expected, now_s: int) -> Mapping[str, Any]:
    """Return what a token says, all of it checked.

    Args:
        token: As it came.
        keys: Of the provider.
        expected: What it must say.
        now_s: The time, seconds.

    Raises:
        UnknownKey: signed with a key that is not among these.
        BadToken: it proves nothing.
    """
    if not isinstance(token, str) or not token.isascii() or token.count(".") != 2:
        raise BadToken("no signed token")
    try:
        opened = jwt.decode(token, keys, algorithms=list(ALGORITHMS))
        _types(opened.claims)
        checked = CodeIDToken(
            opened.claims, opened.header, options=expected.options, params=expected.params
        )
        checked.validate(now=now_s, leeway=LEEWAY_S)
    except InvalidKeyIdError:
        raise UnknownKey("an unknown key") from None
    except BadToken:
        raise
    except _FAULTS as error:
        raise BadToken(getattr(error, "error", "") or type(error).__name__) from None
    if opened.claims["aud"] not in (expected.client_id, [expected.client_id]):
        raise BadToken("for others too")
    if opened.claims["iat"] < now_s - MAX_AGE_S - LEEWAY_S:
        raise BadToken("made long ago")
    return opened.claims


class Expected:
    """What an ID token must say."""

    def __init__(self, *, issuer: str, client_id: str, nonce: str, access_token: object) -> None:
        self.client_id = client_id
        self.options = {
            "iss": {"essential": True, "value": issuer},
            "aud": {"essential": True, "value": client_id},
        }
        self.params = {"client_id": client_id, "nonce": nonce}
        if isinstance(access_token, str):
            self.params["access_token"] = access_token


def _types(told: Mapping[str, Any]) -> None:
    """Refuse numbers that are none (`NaN` is never past) and a subject that is no name."""
    for name in ("exp", "iat", "nbf"):
        value = told.get(name, 0 if name == "nbf" else None)
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not 0 <= value < MAX_TIME_S:
            raise BadToken(f"{name} is no time")
    if not isinstance(told.get("sub"), str) or not _SUBJECT.fullmatch(told["sub"]):
        raise BadToken("sub is no name")
    if not isinstance(told.get("nonce"), str):
        raise BadToken("no nonce")
