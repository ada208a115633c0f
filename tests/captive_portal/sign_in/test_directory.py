"""A real OpenLDAP server: who gets in, who does not, and what is not believed."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from uuid import UUID

import pytest
from pydantic import ValidationError
from sqlalchemy import Engine

from captive_portal.errors import PortalError, Refused
from captive_portal.people.accounts import Account, Kind
from captive_portal.people.outside import Outside, Outsider
from captive_portal.settings import Ldap, OutsideGroup
from captive_portal.sign_in import directory, ldap
from captive_portal.sign_in.directory import LdapWay
from captive_portal.sign_in.way import Adopt, Attempt, NotNow, Unknown
from tests.captive_portal.conftest import NOW, SITE
from tests.captive_portal.ldap_stub import LdapStub
from tests.captive_portal.slapd import BASE, READER, READER_PASSWORD, Slapd, group, person, program
from tests.collector.receive.authority import Authority

NOW_NS = int(NOW.timestamp()) * 10**9
GUID = UUID("00112233-4455-6677-8899-aabbccddeeff")
PEOPLE = (
    person("malee", "มาลี สวนดี", "ดอกมะลิ 2569")
    + person("somsak", "สมศักดิ์ ใจดี", "right")
    + person("a*b", "ดาว", "star")
    + person("odd", "แปลก", "น้ำใจ \u200b①")
    + person("a(b)", "วงเล็บ", "brackets")
    + f"""
dn: uid=plus\\2Bcomma\\2C,ou=people,{BASE}
objectClass: inetOrgPerson
uid: plus+comma,
cn: plus
sn: plus
userPassword: signs

dn: cn=ad user,ou=people,{BASE}
objectClass: inetOrgPerson
objectClass: extensibleObject
cn: ad user
sn: ad
sAMAccountName: aduser
objectGUID:: MyIRAFVEd2aImaq7zN3u/w==
userPassword: right
"""
)
GROUPS = (
    group("science", "uid=malee,ou=people")
    + group("teachers", "cn=science,ou=groups", "cn=round,ou=groups")
    + group("round", "cn=teachers,ou=groups")
    + group("all", "cn=teachers,ou=groups", "uid=somsak,ou=people")
)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def slapd(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[Slapd]:
    server = Slapd(tmp_path_factory.mktemp("ldap") / "school", authority, name="localhost")
    server.load(PEOPLE + GROUPS)
    server.start()
    yield server
    server.stop()


@dataclass
class Box:
    """A home with a password file and a CA, and ways made from it."""

    home: Path
    engine: Engine
    authority: Authority
    adopt: Adopt | None = None

    def way(self, *servers: str, **more: object) -> LdapWay:
        given: dict[str, object] = {
            "id": "school",
            "site": SITE,
            "servers": servers,
            "ca_file": str(self.authority.path),
            "base": BASE,
            "bind_dn": READER,
            "bind_password_file": "reader",
        }
        settings = Ldap.model_validate(given | more)
        adopt = self.adopt or Outside(self.engine).adopt
        return LdapWay(settings, self.home, adopt=adopt, clock=lambda: NOW_NS)


@pytest.fixture
def box(tmp_path: Path, engine: Engine, authority: Authority) -> Box:
    (tmp_path / "reader").write_text(READER_PASSWORD + "\n")
    return Box(tmp_path, engine, authority)


def check(way: LdapWay, account: str, password: str) -> Account:
    attempt = Attempt(site=SITE, address="10.0.0.5", account=account, password=password)
    with way:
        return asyncio.run(way.check(attempt))


@pytest.mark.parametrize("scheme", ["ldap", "ldaps"])
def test_somebody_signs_in_under_tls(box: Box, slapd: Slapd, scheme: str) -> None:
    found = check(box.way(getattr(slapd, scheme)), "Malee", "ดอกมะลิ 2569")
    assert (found.account, found.full_name, found.source) == ("malee", "มาลี สวนดี", "ldap")
    assert found.proofing == "LDAP school"
    again = check(box.way(slapd.ldaps), "malee", "ดอกมะลิ 2569")
    assert again.id == found.id


def test_by_their_own_dn_without_an_account_that_reads(box: Box, slapd: Slapd) -> None:
    def way() -> LdapWay:
        template = f"uid={{account}},ou=people,{BASE}"
        return box.way(slapd.ldaps, bind_dn="", bind_password_file="", user_dn=template)

    assert check(way(), "malee", "ดอกมะลิ 2569").full_name == "มาลี สวนดี"
    assert check(way(), "plus+comma,", "signs").account == "plus+comma,"
    for account, password in [
        ("malee", "wrong"),
        ("malee", ""),
        ("nobody", "x"),
        ("malee,ou=people", "x"),
    ]:
        with pytest.raises(Unknown):
            check(way(), account, password)


def test_a_password_is_taken_as_it_is_typed(box: Box, slapd: Slapd) -> None:
    assert check(box.way(slapd.ldaps), "odd", "น้ำใจ \u200b①").account == "odd"
    way = box.way(slapd.ldaps)
    for password in ("\x00", "a\x00b", "\u200b", "\U0010ffff", "ا1", "\u0627a", " ", "x" * 9000):
        with pytest.raises(Refused):
            check(way, "odd", password)
        assert way.standing()["down"] == []


@pytest.mark.parametrize(("account", "password"), [("malee", "wrong"), ("malee", "")])
def test_a_wrong_or_empty_password_is_refused(
    box: Box, slapd: Slapd, account: str, password: str
) -> None:
    with pytest.raises(Refused) as refused:
        check(box.way(slapd.ldaps), account, password)
    assert not isinstance(refused.value, Unknown)


@pytest.mark.parametrize(
    "account",
    [
        "*",
        "mal*",
        "malee)(uid=*",
        "*)(objectClass=*",
        "malee)(|(uid=somsak",
        "malee\\2a",
        "malee\x00",
        "",
        "\\",
        ")",
        "nobody",
    ],
)
def test_a_name_is_a_name_and_no_filter(box: Box, slapd: Slapd, account: str) -> None:
    with pytest.raises(Unknown):
        check(box.way(slapd.ldaps), account, "ดอกมะลิ 2569")


@pytest.mark.parametrize(
    ("account", "password"), [("a*b", "star"), ("a(b)", "brackets"), ("plus+comma,", "signs")]
)
def test_names_with_signs_work(box: Box, slapd: Slapd, account: str, password: str) -> None:
    assert check(box.way(slapd.ldaps), account, password).account == account


def test_groups_in_groups_and_round_about(box: Box, slapd: Slapd) -> None:
    groups = (
        OutsideGroup(outside="CN=Teachers, ou=groups," + BASE, kind="teacher"),
        OutsideGroup(outside="all", kind="staff"),
    )
    assert check(box.way(slapd.ldaps, groups=groups), "malee", "ดอกมะลิ 2569").kind is Kind.TEACHER
    assert check(box.way(slapd.ldaps, groups=groups), "somsak", "right").kind is Kind.STAFF
    assert check(box.way(slapd.ldaps, groups=groups), "a*b", "star").kind is Kind.PUPIL


def test_attributes_of_active_directory(box: Box, slapd: Slapd) -> None:
    told: list[Outsider] = []

    def adopt(who: Outsider, now: datetime) -> Account:
        told.append(who)
        return Outside(box.engine).adopt(who, now)

    # Found by cn: OpenLDAP's schema cannot compare sAMAccountName.
    box = replace(box, adopt=adopt)
    way = box.way(slapd.ldaps, active_directory=True, filter="(cn={account})")
    assert check(way, "AD User", "right").account == "aduser"
    assert told[0].outside_id == f"school:{GUID}"
    assert told[0].full_name == "ad user"


@pytest.mark.parametrize("scheme", ["ldap", "ldaps"])
def test_a_server_that_another_ca_signed_hears_nothing(
    box: Box, slapd: Slapd, tmp_path: Path, scheme: str
) -> None:
    other = Authority(tmp_path / "other").path
    with pytest.raises(NotNow, match=r"(?i)certificate"):
        check(box.way(getattr(slapd, scheme), ca_file=str(other)), "malee", "ดอกมะลิ 2569")
    with pytest.raises(NotNow, match=r"(?i)certificate"):  # the system's do not know it either
        check(box.way(getattr(slapd, scheme), ca_file=""), "malee", "ดอกมะลิ 2569")


@pytest.mark.parametrize(
    ("name", "days", "told"),
    [
        ("other.example", 30, "(?i)mismatch|doesn't match|not valid for"),
        ("localhost", -1, "expired"),
    ],
)
def test_a_wrong_name_and_an_old_certificate_are_refused(
    box: Box, tmp_path: Path, authority: Authority, name: str, days: int, told: str
) -> None:
    program()
    server = Slapd(tmp_path / "slapd", authority, name=name, days=days)
    server.load(PEOPLE)
    server.start()
    try:
        for url in (server.ldap, server.ldaps):
            with pytest.raises(NotNow, match=told):
                check(box.way(url), "malee", "ดอกมะลิ 2569")
    finally:
        server.stop()


def test_a_server_without_tls_hears_nothing(box: Box, tmp_path: Path, authority: Authority) -> None:
    server = Slapd(tmp_path / "slapd", authority, name="localhost")
    lines = server.conf.read_text().splitlines()
    server.conf.write_text("\n".join(line for line in lines if not line.startswith("TLS")) + "\n")
    server.load(PEOPLE)
    server.start()
    try:
        with pytest.raises(NotNow):
            check(box.way(server.ldap), "malee", "ดอกมะลิ 2569")
    finally:
        server.stop()


def test_the_next_server_is_asked_and_the_silent_one_left_out(
    box: Box, slapd: Slapd, authority: Authority
) -> None:
    with LdapStub(authority.issue("localhost"), mute=True) as mute:
        way = box.way(mute.url, slapd.ldaps)

        async def twice() -> None:
            for _ in range(3):
                attempt = Attempt(site=SITE, address="", account="somsak", password="right")
                assert (await way.check(attempt)).account == "somsak"

        with way:
            asyncio.run(twice())
            assert way.standing()["down"] == [mute.url.removeprefix("ldaps://")]
        assert mute.connections == 1


def test_a_server_that_was_started_anew_is_asked_again(
    box: Box, tmp_path: Path, authority: Authority
) -> None:
    program()
    server = Slapd(tmp_path / "slapd", authority, name="localhost")
    server.load(PEOPLE)
    server.start()
    way = box.way(server.ldaps)
    attempt = Attempt(site=SITE, address="", account="somsak", password="right")
    with way:
        try:
            asyncio.run(way.check(attempt))
            server.stop()
            server.start()
            assert asyncio.run(way.check(attempt)).account == "somsak"
        finally:
            server.stop()


def test_nobody_answers(box: Box) -> None:
    way = box.way("ldaps://localhost:1")
    with way:
        for told in ("localhost:1", "failed lately"):
            attempt = Attempt(site=SITE, address="", account="somsak", password="right")
            with pytest.raises(NotNow, match=told):
                asyncio.run(way.check(attempt))


def test_the_account_that_reads_is_refused(box: Box, slapd: Slapd) -> None:
    (box.home / "reader").write_text("wrong")
    with pytest.raises(NotNow, match="bind_dn"):
        check(box.way(slapd.ldaps), "malee", "ดอกมะลิ 2569")


AD_CODES = {
    "52e": "wrong password",
    "530": "outside its hours",
    "532": "password expired",
    "533": "disabled",
    "701": "expired",
    "773": "password must be changed",
    "775": "locked",
}


def ad(dn: str, **more: bytes) -> Callable[[str, str], list[tuple[str, dict[str, list[bytes]]]]]:
    values = {
        "sAMAccountName": b"malee",
        "objectGUID": GUID.bytes_le,
        "displayName": "มาลี".encode(),
    }
    entry = {name: [value] for name, value in (values | more).items()}

    def search(base: str, wanted: str) -> list[tuple[str, dict[str, list[bytes]]]]:
        in_group = base == "CN=Teachers,DC=school" and "1.2.840.113556.1.4.1941" in wanted
        return [(dn, entry)] if "sAMAccountName" in wanted or in_group else []

    return search


@pytest.mark.parametrize(("code", "reason"), AD_CODES.items())
def test_what_active_directory_says_is_counted_and_not_told(
    box: Box, authority: Authority, code: str, reason: str
) -> None:
    told = f"80090308: LdapErr: DSID-0C090447, AcceptSecurityContext error, data {code}, v4563"

    def bind(dn: str, _password: str) -> tuple[int, str]:
        return (0, "") if dn == READER else (49, told)

    with LdapStub(authority.issue("localhost"), on_bind=bind, on_search=ad("CN=m")) as stub:
        way = box.way(stub.url, active_directory=True)
        with pytest.raises(Refused):
            check(way, "malee", "x")
        assert way.standing()["reasons"] == {reason: 1}


def test_active_directory_follows_groups_itself(box: Box, authority: Authority) -> None:
    groups = (
        OutsideGroup(outside="CN=Gone,DC=school", kind="staff"),
        OutsideGroup(outside="CN=Teachers,DC=school", kind="teacher"),
    )
    with LdapStub(authority.issue("localhost"), on_search=ad("CN=m,DC=school")) as stub:
        found = check(box.way(stub.url, active_directory=True, groups=groups), "malee", "x")
    assert found.kind is Kind.TEACHER
    assert (READER, READER_PASSWORD) in stub.binds


def test_a_disabled_account_stays_out_whatever_the_bind_says(
    box: Box, authority: Authority
) -> None:
    search = ad("CN=m", userAccountControl=b"514")
    with LdapStub(authority.issue("localhost"), on_search=search) as stub, pytest.raises(Refused):
        check(box.way(stub.url, active_directory=True), "malee", "x")


def test_an_entry_without_id_is_nobody_and_the_server_not_to_blame(
    box: Box, authority: Authority
) -> None:
    search = ad("CN=m", objectGUID=b"")
    with LdapStub(authority.issue("localhost"), on_search=search) as stub:
        way = box.way(stub.url, active_directory=True)
        with pytest.raises(NotNow, match="objectGUID"):
            check(way, "malee", "x")
        assert way.standing()["down"] == []


def test_who_binds_is_who_the_server_says_not_who_was_typed(
    box: Box, slapd: Slapd, authority: Authority
) -> None:
    more = {"bind_dn": "", "bind_password_file": ""}
    own = box.way(slapd.ldaps, user_dn=f"uid={{account}},ou=people,{BASE}", base="dc=else", **more)
    assert check(own, "somsak", "right").account == "somsak"

    def search(base: str, wanted: str) -> list[tuple[str, dict[str, list[bytes]]]]:
        account = "alice1" if "alice1" in wanted else "bob"
        entry = {"sAMAccountName": [account.encode()], "objectGUID": [account.encode().ljust(16)]}
        return [(f"CN={account},DC=school", entry)]

    for said, account in (("u:SCHOOL\\alice1", "alice1"), ("", "")):
        with LdapStub(authority.issue("localhost"), on_search=search, who=said) as stub:
            template = "{account}@school.example"
            way = box.way(stub.url, active_directory=True, user_dn=template, **more)
            if account:
                assert check(way, "bob", "x").account == account
            else:
                with pytest.raises(NotNow):
                    check(way, "bob", "x")
            assert stub.binds == [("bob@school.example", "x")]


def test_a_wrong_base_is_told(box: Box, slapd: Slapd) -> None:
    with pytest.raises(NotNow, match="noSuchObject"):
        check(box.way(slapd.ldaps, base="dc=else"), "malee", "ดอกมะลิ 2569")


def test_somebody_whom_the_directory_names_badly_is_not_let_in(
    box: Box, authority: Authority
) -> None:
    search = ad("CN=m", sAMAccountName=b"")
    with LdapStub(authority.issue("localhost"), on_search=search) as stub, pytest.raises(NotNow):
        check(box.way(stub.url, active_directory=True), "malee", "x")


def test_what_cannot_be_read_is_told_at_the_start(box: Box) -> None:
    for wrong in ({"bind_password_file": "nothing"}, {"ca_file": "reader"}):
        with pytest.raises(PortalError, match="ldap school"):
            box.way("ldaps://localhost", **wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        {"servers": ["http://localhost"]},
        {"servers": []},
        {"bind_dn": ""},
        {"user_dn": "uid={account}"},
        {"filter": "(uid=somebody)"},
    ],
)
def test_settings_that_cannot_be_are_told(box: Box, wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        box.way("ldaps://localhost", **wrong)


@pytest.mark.parametrize(
    "says",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\x30\x84\x7f\xff\xff\xff" + b"x" * 1000,
        b"\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\x63\x04\x00\x04",
        bytes(200),
        b"\xff" * 200,
        b"\x30\x05\x02\x01\x01\x42\x00",
    ],
)
def test_a_server_that_says_nonsense_is_left_out(
    box: Box, authority: Authority, says: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ldap, "LIMIT_S", 1)
    certificate = authority.issue("localhost")
    with LdapStub(certificate, says=[says], on_bind=lambda _dn, _password: (80, "")) as stub:
        way = box.way(stub.url)
        with pytest.raises(NotNow):
            check(way, "malee", "x")


def test_a_server_that_never_ends_what_it_says_is_cut_off(
    box: Box, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(directory, "WHOLE_S", 0.6)
    drip = [b"\x30\x84\x7f\xff\xff\xff", *[b"x"] * 400]
    with LdapStub(authority.issue("localhost"), says=drip) as stub:
        way = box.way(stub.url)
        attempt = Attempt(site=SITE, address="", account="malee", password="x")

        async def ask() -> None:
            with pytest.raises(NotNow):
                await way.check(attempt)
            async with asyncio.timeout(10):  # the drip takes 20 s
                while way._workers._waiting:  # noqa: ASYNC110  # a thread sets it
                    await asyncio.sleep(0.02)

        with way:
            asyncio.run(ask())


def test_a_class_that_comes_at_once_has_one_account_each(box: Box, slapd: Slapd) -> None:
    attempts = [
        Attempt(site=SITE, address=f"10.0.0.{n}", account=who, password=password)
        for n in range(12)
        for who, password in (("malee", "ดอกมะลิ 2569"), ("SOMSAK", "right"))
    ]
    way = box.way(slapd.ldaps)

    async def come() -> list[Account]:
        return list(await asyncio.gather(*(way.check(attempt) for attempt in attempts)))

    with way:
        assert len({account.id for account in asyncio.run(come())}) == 2
