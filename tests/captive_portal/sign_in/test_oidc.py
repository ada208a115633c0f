"""A provider of OpenID Connect, as it should be and as it should not."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc.jwk import KeySet
from pydantic import ValidationError
from sqlalchemy import Engine

from captive_portal.errors import PortalError, Refused
from captive_portal.people.accounts import Account, Kind, People
from captive_portal.people.keys import PersonKey
from captive_portal.people.outside import Outside
from captive_portal.settings import Oidc, OutsideGroup, files
from captive_portal.sign_in import oidc, oidc_token
from captive_portal.sign_in.oidc import OidcClient
from captive_portal.sign_in.oidc_http import Http
from captive_portal.sign_in.oidc_state import MOST_OF_ONE, VALID_NS, Stale, States
from captive_portal.sign_in.oidc_token import BadToken
from captive_portal.sign_in.way import NotNow, TooOften
from tests.captive_portal.conftest import NOW, SITE
from tests.captive_portal.sign_in import oidc_provider
from tests.captive_portal.sign_in.oidc_provider import CLIENT, SECRET, Provider

NOW_S = int(NOW.timestamp())
PHONE, OTHER = "02:00:00:00:00:01", "02:00:00:00:00:02"
MALEE = {
    "email": "malee@school.example",
    "email_verified": True,
    "hd": "school.example",
    "name": "มาลี ดีงาม",
    "groups": ["ครู", "ทั้งหมด"],
}


@pytest.fixture(scope="module")
def one_provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    with oidc_provider.running(tmp_path_factory.mktemp("provider")) as provider:
        provider.now = lambda: NOW_S
        yield provider


@pytest.fixture
def provider(one_provider: Provider) -> Provider:
    """The provider, right again."""
    one_provider.claims = dict(MALEE)
    one_provider.header, one_provider.sign = {}, None
    one_provider.answers, one_provider.metadata = {}, {}
    one_provider.asked.clear()
    return one_provider


def section(provider: Provider, **more: Any) -> Oidc:
    given: dict[str, Any] = {
        "id": "school",
        "site": SITE,
        "name": "Google ของโรงเรียน",
        "issuer": provider.issuer,
        "client_id": CLIENT,
        "client_secret_file": "client",
        "ca_file": str(provider.folder / "ca.crt"),
        "require": {"hd": "school.example"},
        "account_claim": "email",
        "account_domain": "school.example",
        "groups_claim": "groups",
        "groups": (OutsideGroup(outside="ครู", kind="teacher"),),
    }
    return Oidc.model_validate({**given, **more})


class Clocked:
    """A client with a clock that a test moves."""

    def __init__(self, home: Path, engine: Engine, settings: Oidc, *, secret: str = SECRET) -> None:
        (home / "client").write_text(secret + "\n")
        self.now = NOW_S * 10**9
        self.client = OidcClient(
            settings,
            home,
            public_url="https://wifi.school.example/",
            adopt=Outside(engine).adopt,
            key=PersonKey(b"k" * 32),
            clock=lambda: self.now,
        )

    def sign_in(self, provider: Provider, **changed: str) -> Account:
        """Go there and come back with what a test changes."""
        return asyncio.run(self.there_and_back(provider, **changed))

    async def there_and_back(self, provider: Provider, **changed: str) -> Account:
        query = provider.agree(await self.client.begin(PHONE, "th"))
        return await self.client.finish(PHONE, {**query, **changed})


@pytest.fixture
def made(tmp_path: Path, engine: Engine, provider: Provider) -> Iterator[Clocked]:
    one = Clocked(tmp_path, engine, section(provider))
    with one.client:
        yield one


def test_somebody_signs_in_and_stays_one_account(
    made: Clocked, provider: Provider, people: People
) -> None:
    account = made.sign_in(provider)
    assert (account.account, account.full_name) == ("malee", "มาลี ดีงาม")
    assert (account.kind, account.source) == (Kind.TEACHER, "oidc")
    provider.claims |= {"email": "malee.d@school.example"}
    assert made.sign_in(provider).id == account.id
    provider.claims |= {"sub": "another", "email": "malee@school.example"}
    assert made.sign_in(provider).id != account.id
    assert provider.asked["/.well-known/openid-configuration"] == 1
    assert provider.asked["/keys"] == 1
    assert made.client.counts["right"] == 3


def test_nobody_reads_the_provider_s_own_id(made: Clocked, provider: Provider) -> None:
    provider.claims |= {"sub": "1234567890123"}
    with_name = made.sign_in(provider)
    assert "1234567890123" not in repr(with_name)


def test_a_citizen_id_becomes_no_login_name(
    tmp_path: Path, engine: Engine, provider: Provider
) -> None:
    provider.claims |= {"pid": "1-2345-67890-12-3"}
    one = Clocked(tmp_path, engine, section(provider, account_claim="pid", account_domain=""))
    with one.client:
        account = one.sign_in(provider)
    assert account.account.startswith("school-")
    assert "1234567890123" not in account.account.replace("-", "")


def test_who_is_closed_here_stays_out(made: Clocked, provider: Provider, people: People) -> None:
    account = made.sign_in(provider)
    people.disable(account.id, now=NOW)
    with pytest.raises(Refused):
        made.sign_in(provider)


@pytest.mark.parametrize(
    "wrong",
    [
        {"hd": None},
        {"hd": "elsewhere.example"},
        {"email_verified": False},
        {"email_verified": None},
        {"email": None},
        {"email": "\x00\x01"},
    ],
)
def test_who_is_not_the_school_s_stays_out(
    made: Clocked, provider: Provider, wrong: dict[str, Any]
) -> None:
    provider.claims |= wrong
    with pytest.raises(Refused):
        made.sign_in(provider)
    assert made.client.counts["refused"] == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"nonce": "another"},
        {"nonce": None},
        {"aud": "another"},
        {"aud": [CLIENT, "another"]},
        {"azp": "another"},
        {"iss": "https://another.example"},
        {"exp": NOW_S - 61},
        {"exp": None},
        {"exp": float("nan")},
        {"exp": 10**400},
        {"exp": True},
        {"exp": "2099"},
        {"iat": NOW_S + 3600},
        {"iat": NOW_S - 3600},
        {"nbf": NOW_S + 3600},
        {"sub": None},
        {"sub": ""},
        {"sub": "ก"},
        {"sub": 7},
        {"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"},
    ],
    ids=str,
)
def test_a_token_that_says_something_else_proves_nothing(
    made: Clocked, provider: Provider, wrong: dict[str, Any]
) -> None:
    provider.claims |= wrong
    with pytest.raises(BadToken):
        made.sign_in(provider)


def test_only_the_provider_s_key_pair_signs(made: Clocked, provider: Provider) -> None:
    none, stranger = oidc_provider.unsigned, oidc_provider.by_stranger
    signers = [none, stranger, oidc_provider.by_public_key(provider)]
    signers += [oidc_provider.always(odd) for odd in ("a.b", "..", "a.b.c.d.e")]
    for sign in signers:
        provider.sign = sign
        with pytest.raises(BadToken):
            made.sign_in(provider)
    provider.sign = None
    assert made.sign_in(provider).account == "malee"


def test_keys_change(made: Clocked, provider: Provider) -> None:
    old = provider.key
    try:
        made.sign_in(provider)
        provider.key = oidc_provider.rsa_key("two")
        with pytest.raises(BadToken):
            made.sign_in(provider)  # asked for a moment ago: not again for every token
        assert provider.asked["/keys"] == 1
        made.now += oidc.AGAIN_NS
        provider.now = lambda: made.now // 10**9
        made.sign_in(provider)
        assert provider.asked["/keys"] == 2
    finally:
        provider.key, provider.now = old, lambda: NOW_S


def test_code_and_state_are_good_once(made: Clocked, provider: Provider) -> None:
    async def twice() -> None:
        query = provider.agree(await made.client.begin(PHONE, "th"))
        await made.client.finish(PHONE, query)
        with pytest.raises(Stale):
            await made.client.finish(PHONE, query)
        fresh = provider.agree(await made.client.begin(PHONE, "th"))
        with pytest.raises(Refused):
            await made.client.finish(PHONE, {**fresh, "code": query["code"]})

    asyncio.run(twice())
    assert made.client.counts == {"begun": 2, "right": 1, "stale": 1, "refused": 1}


def test_a_code_of_another_s_trip_is_refused(made: Clocked, provider: Provider) -> None:
    """PKCE: a code that was seen on the way is good with its own verifier alone."""

    async def swap() -> None:
        seen = provider.agree(await made.client.begin(OTHER, "th"))
        own = provider.agree(await made.client.begin(PHONE, "th"))
        with pytest.raises(Refused):
            await made.client.finish(PHONE, {**own, "code": seen["code"]})
        with pytest.raises(Stale):
            await made.client.finish(PHONE, seen)

    asyncio.run(swap())


@pytest.mark.parametrize(
    "changed",
    [
        {"iss": "https://another.example"},
        {"code": ""},
        {"code": "x" * 5000},
        {"code": "a\r\nSet-Cookie: b"},
        {"error": "access_denied"},
        {"state": ""},
        {"state": "th.1.AAAAAAAAAAAAAAAAAAAAAA." + "A" * 43},
    ],
)
def test_who_comes_back_with_something_else_is_refused(
    made: Clocked, provider: Provider, changed: dict[str, str]
) -> None:
    with pytest.raises(Refused):
        made.sign_in(provider, **changed)
    assert provider.asked["/token"] == 0


def test_states_run_out_and_one_device_has_so_many() -> None:
    now = [0]
    states = States(lambda: now[0])
    late = states.make("school", PHONE, "en").state
    assert late.startswith("en.")
    now[0] += VALID_NS + 1
    with pytest.raises(Stale):
        states.take(late, "school", PHONE)
    for _ in range(MOST_OF_ONE):
        states.take(states.make("school", PHONE, "th").state, "school", PHONE)
    more = states.make("school", PHONE, "th").state
    with pytest.raises(TooOften):
        states.take(more, "school", PHONE)
    with pytest.raises(Stale):
        states.take(states.make("other", PHONE, "th").state, "school", PHONE)
    states.take(states.make("school", OTHER, "th").state, "school", OTHER)
    now[0] += VALID_NS + 1
    states.take(states.make("school", PHONE, "th").state, "school", PHONE)
    assert len(states) == 1


@given(st.text())
def test_a_state_of_any_text_is_refused(text: str) -> None:
    with pytest.raises(Stale):
        States(lambda: 0).take(text, "school", PHONE)


@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/keys", "/token"])
@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b"\xff", b"[" * 100_000, b'{"keys": 7}'], ids=lambda b: repr(b[:9])
)
def test_odd_answers_let_nobody_in(
    made: Clocked, provider: Provider, path: str, body: bytes
) -> None:
    provider.answers[path] = oidc_provider.saying(body)
    with pytest.raises((NotNow, BadToken)):
        made.sign_in(provider)


@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/keys"])
def test_an_answer_without_end_is_cut_off(made: Clocked, provider: Provider, path: str) -> None:
    provider.answers[path] = oidc_provider.endless
    with pytest.raises(NotNow, match="no end"):
        made.sign_in(provider)


def test_a_slow_provider_is_left_alone_for_a_while(made: Clocked, provider: Provider) -> None:
    path = "/.well-known/openid-configuration"
    made.client.http = Http(files.trusted(provider.folder / "ca.crt", "oidc"), total_s=0.3)
    provider.answers[path] = oidc_provider.dripping(provider.ended)
    for _ in range(3):
        with pytest.raises(NotNow, match="within"):
            made.sign_in(provider)
    assert provider.asked[path] == 1
    provider.answers.clear()
    made.client.http = Http(files.trusted(provider.folder / "ca.crt", "oidc"))
    made.now += oidc.DOWN_NS
    provider.now = lambda: made.now // 10**9
    assert made.sign_in(provider).account == "malee"
    provider.now = lambda: NOW_S


def test_a_provider_that_is_down_or_another_is_told(
    tmp_path: Path, engine: Engine, provider: Provider
) -> None:
    down = Clocked(tmp_path, engine, section(provider, issuer=oidc_provider.unused()))
    stranger = Clocked(tmp_path, engine, section(provider, ca_file=""))
    for one in (down, stranger):
        with one.client, pytest.raises(NotNow, match="cannot be asked"):
            asyncio.run(one.client.begin(PHONE, "th"))
        assert one.client.counts["silent"] == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"issuer": "https://another.example"},
        {"authorization_endpoint": "http://127.0.0.1/authorize"},
        {"authorization_endpoint": "https://a.example/\r\nSet-Cookie: a=b"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"token_endpoint": None},
        {"jwks_uri": "file:///etc/passwd"},
        {"token_endpoint_auth_methods_supported": ["private_key_jwt"]},
    ],
    ids=str,
)
def test_what_a_provider_tells_of_itself_is_checked(
    made: Clocked, provider: Provider, wrong: dict[str, Any]
) -> None:
    provider.metadata = wrong
    with pytest.raises(NotNow):
        asyncio.run(made.client.begin(PHONE, "th"))


def test_a_wrong_secret_is_the_school_s_fault(
    tmp_path: Path, engine: Engine, provider: Provider, caplog: pytest.LogCaptureFixture
) -> None:
    wrong = Clocked(tmp_path, engine, section(provider), secret="wrong")
    with wrong.client, pytest.raises(NotNow, match="client_id and secret"):
        wrong.sign_in(provider)
    assert "client_id and secret" in caplog.text
    assert SECRET not in caplog.text
    with pytest.raises(PortalError, match="empty"):
        Clocked(tmp_path, engine, section(provider), secret="")


@given(token=st.one_of(st.text(), st.binary(), st.none(), st.from_regex(r"[\w-]+\.[\w-]+\.[\w-]+")))
def test_any_token_is_refused_in_one_way(token: object) -> None:
    keys = KeySet([_KEY])
    expected = oidc_token.Expected(issuer="i", client_id="c", nonce="n", access_token=None)
    with pytest.raises(BadToken):
        oidc_token.claims(token, keys, expected=expected, now_s=NOW_S)


_KEY = oidc_provider.rsa_key("one")
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(
    st.dictionaries(
        st.just("keys"),
        _JSON
        | st.lists(
            st.dictionaries(st.sampled_from(["kty", "n", "e", "crv", "x", "y", "kid", "d"]), _JSON)
            | st.fixed_dictionaries({"kty": st.sampled_from(["RSA", "EC", "OKP"]), "n": _JSON})
        ),
    )
)
def test_any_keys_are_refused_in_one_way(told: dict[str, Any]) -> None:
    with pytest.raises(BadToken):
        oidc_token.key_set(told)


@pytest.mark.parametrize(
    "wrong",
    [
        {"require": {}},
        {"anybody": True},
        {"issuer": "http://provider.example"},
        {"scope": "profile"},
        {"id": "../x"},
    ],
)
def test_settings_that_would_let_anybody_in_are_refused(
    one_provider: Provider, wrong: dict[str, Any]
) -> None:
    with pytest.raises(ValidationError):
        section(one_provider, **wrong)
