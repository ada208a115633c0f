"""Signing in with an account of a directory: OpenLDAP, Active Directory and others of their kind.

What people type goes into filters and DNs escaped. Servers are asked in their order; one that
fails is left out for a while, so that a class does not wait for it one by one.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self
from uuid import UUID

from captive_portal.errors import PortalError, Refused
from captive_portal.people import names
from captive_portal.people.accounts import Account, Kind
from captive_portal.people.outside import Outsider
from captive_portal.settings import Ldap, OutsideGroup, files
from captive_portal.sign_in import ldap
from captive_portal.sign_in.ldap import Connection, Entry, Failed, Pool
from captive_portal.sign_in.way import Adopt, Attempt, NotNow, Unknown, adopted
from captive_portal.sign_in.workers import Workers
from collector.records import Clock, time_of

THREADS = 8
WAITING = 256
WHOLE_S = 8.0
"""Seconds for one sign-in, whatever the servers do."""
DOWN_S = 30.0
"""Seconds. A server that failed is not asked again for this long."""
MAX_DEPTH = 5
"""Groups in groups, where the directory does not follow them itself."""
MAX_GROUPS = 200
_IN_CHAIN = "1.2.840.113556.1.4.1941"
"""A rule of Active Directory (MS-ADTS 3.1.1.3.4.4.3): a member by any number of groups."""
_DISABLED = 0x2
"""Of userAccountControl (MS-ADTS 2.2.16)."""
_OF_A_GROUP = ("member", "uniqueMember")


class LdapWay:
    """One directory of a site. Used from one event loop."""

    def __init__(self, settings: Ldap, home: Path, *, adopt: Adopt, clock: Clock) -> None:
        """Keep the parts, and read what the settings name.

        Raises:
            PortalError: the CA or the password cannot be read.
        """
        self.name = f"ldap {settings.id}"
        self.locks_after = settings.locks_after
        self._settings = settings
        self._password = ""
        if settings.bind_password_file:
            whose = f"ldap {settings.id}: the password of bind_dn"
            self._password = files.secret(home / settings.bind_password_file, whose)
        ca_file = home / settings.ca_file if settings.ca_file else None
        checks = files.trusted(ca_file, f"ldap {settings.id}")
        self._pools = [Pool(url, checks) for url in settings.servers]
        self._adopt = adopt
        self._clock = clock
        self._reasons: Counter[str] = Counter()
        self._workers = Workers("ldap", threads=THREADS, waiting=WAITING)

    def __enter__(self) -> Self:
        self._workers.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._workers.__exit__()
        for pool in self._pools:
            pool.close()

    def standing(self) -> Mapping[str, object]:
        """Return which servers are down, and why people were refused."""
        now = time.monotonic()
        down = [pool.name for pool in self._pools if pool.down_until > now]
        return {"down": down, "reasons": dict(self._reasons)}

    async def check(self, attempt: Attempt) -> Account:
        """Return whose account and password these are. Raises as `Way` says."""
        try:
            async with asyncio.timeout(WHOLE_S):
                return await self._workers.run(self._check, attempt)
        except TimeoutError:
            for pool in self._pools:
                pool.cut(WHOLE_S / 2)
            raise NotNow(f"{self.name}: no answer in {WHOLE_S:g} s") from None

    def _check(self, attempt: Attempt) -> Account:
        account = names.clean(attempt.account)
        if names.fault(account):
            raise Unknown("no name that a directory has")
        who = self._asked(account, attempt.password)
        if isinstance(who, PortalError):
            self._reasons[str(who)] += 1
            raise who
        return adopted(self._adopt, who, time_of(self._clock))

    def _asked(self, account: str, password: str) -> Outsider | PortalError:
        """Ask the servers in their order, those that are down left out."""
        failed = "all servers failed lately"
        for pool in self._pools:
            if pool.down_until > time.monotonic():
                continue
            try:
                return self._of(pool, account, password)
            except Failed as error:
                failed = str(error)
                pool.down_until = time.monotonic() + DOWN_S
                pool.close()
        raise NotNow(f"{self.name}: {failed}")

    def _of(self, pool: Pool, account: str, password: str) -> Outsider | PortalError:
        try:
            with pool.connection() as connection:
                return self._ask(connection, account, password)
        except ldap.Stale:
            with pool.connection() as connection:
                return self._ask(connection, account, password)

    def _ask(self, connection: Connection, account: str, password: str) -> Outsider | PortalError:
        """Return who it is, or why not: a connection on which somebody was wrong is as good."""
        try:
            if self._settings.user_dn:
                return self._directly(connection, account, password)
            return self._looked_up(connection, account, password)
        except (Refused, NotNow) as error:
            return error

    def _looked_up(self, connection: Connection, account: str, password: str) -> Outsider:
        """Find somebody with the account of the settings, then bind as them."""
        try:
            ldap.bind(connection, self._settings.bind_dn, self._password)
        except Refused as refused:
            raise Failed(f"bind_dn may not sign in: {refused}") from refused
        entry = self._find(connection, account)
        if entry is None:
            raise Unknown("unknown")
        if not password:
            raise Refused("empty password")
        mapped = self._group(connection, entry)
        # Bound also where the entry says disabled: the answer takes as long.
        ldap.bind(connection, entry.dn, password)
        return self._outsider(entry, mapped)

    def _directly(self, connection: Connection, account: str, password: str) -> Outsider:
        """Bind as what somebody is by the template, then look at the entry that it was."""
        if not password:
            raise Unknown("empty password")
        template = self._settings.user_dn
        if "=" in template:
            user = template.replace("{account}", ldap.in_dn(account))
        elif re.search(r'[@\\/"]', account):
            raise Unknown("unknown")  # of another domain, perhaps
        else:
            user = template.replace("{account}", account)
        try:
            ldap.bind(connection, user, password)
        except Refused as refused:
            if str(refused) == ldap.WRONG_PASSWORD:
                raise Unknown("unknown or wrong password") from None
            raise
        entry = self._bound(connection, user)
        if entry is None:
            raise NotNow("who is signed in cannot read their own entry")
        return self._outsider(entry, self._group(connection, entry))

    def _bound(self, connection: Connection, user: str) -> Entry | None:
        """Return the entry that somebody is bound as.

        What they typed does not tell: the name in front of an @ may be another one's login name.
        """
        if "=" in self._settings.user_dn:
            return self._at(connection, user)
        said = ldap.who_am_i(connection)
        if said.startswith("dn:"):
            return self._at(connection, said.removeprefix("dn:"))
        if said.startswith("u:"):
            return self._find(connection, said.removeprefix("u:").rpartition("\\")[2])
        return None

    def _at(self, connection: Connection, dn: str) -> Entry | None:
        everybody, attributes = "(objectClass=*)", self._attributes
        found = ldap.search(connection, dn, everybody, attributes, most=1, scope="BASE")
        return found[0] if found else None

    def _find(self, connection: Connection, account: str) -> Entry | None:
        settings = self._settings
        wanted = settings.filter or f"({_name_attribute(settings)}={{account}})"
        wanted = wanted.replace("{account}", ldap.in_filter(account))
        found = ldap.search(connection, settings.base, wanted, self._attributes, most=2)
        if len(found) > 1:
            raise Refused("more than one entry fits: the filter is too wide")
        return found[0] if found else None

    @property
    def _attributes(self) -> Sequence[str]:
        settings = self._settings
        return (
            _name_attribute(settings),
            settings.full_name_attribute,
            "cn",
            _id_attribute(settings),
            "memberOf",
            "userAccountControl",
        )

    def _group(self, connection: Connection, entry: Entry) -> OutsideGroup | None:
        """Return the first group of the settings that somebody is in, also by other groups."""
        groups = self._settings.groups
        if not groups:
            return None
        if self._settings.active_directory:
            return next((one for one in groups if self._in(connection, entry, one)), None)
        mine = self._walk(connection, entry)
        return next((one for one in groups if ldap.plain(one.outside) in mine), None)

    def _in(self, connection: Connection, entry: Entry, group: OutsideGroup) -> bool:
        """Ask Active Directory, which follows groups in groups itself."""
        member = f"(member:{_IN_CHAIN}:={ldap.in_filter(entry.dn)})"
        if "=" in group.outside:
            return bool(ldap.search(connection, group.outside, member, [], most=1, scope="BASE"))
        named = f"(&(objectClass=group)(cn={ldap.in_filter(group.outside)}){member})"
        return bool(ldap.search(connection, self._group_base, named, [], most=1))

    @property
    def _group_base(self) -> str:
        return self._settings.group_base or self._settings.base

    def _walk(self, connection: Connection, entry: Entry) -> set[str]:
        """Return the groups of somebody, DNs and plain names, group by group."""
        told = [dn.decode("utf-8", "replace") for dn in entry.values.get("memberof", ())]
        seen = {ldap.plain(dn) for dn in told}
        named, ring = {_rdn(dn) for dn in seen}, [entry.dn, *told]
        login = ldap.in_filter(entry.text(_name_attribute(self._settings)))
        tests = [f"(memberUid={login})"]
        for _ in range(MAX_DEPTH):
            dns = [ldap.in_filter(dn) for dn in ring[:MAX_GROUPS]]
            tests += [f"({kind}={dn})" for dn in dns for kind in _OF_A_GROUP]
            found = ldap.search(
                connection, self._group_base, f"(|{''.join(tests)})", ["cn"], most=MAX_GROUPS
            )
            fresh = [group for group in found if ldap.plain(group.dn) not in seen]
            seen |= {ldap.plain(group.dn) for group in fresh}
            named |= {group.text("cn").casefold() for group in fresh}
            ring, tests = [group.dn for group in fresh], []
            if not ring or len(seen) > MAX_GROUPS:
                break
        return seen | named

    def _outsider(self, entry: Entry, mapped: OutsideGroup | None) -> Outsider:
        settings = self._settings
        if _disabled(entry):
            raise Refused("disabled")
        value = entry.values.get(_id_attribute(settings).lower(), (b"",))[0]
        if settings.active_directory and len(value) == 16:
            own = str(UUID(bytes_le=value))
        else:
            own = value.decode("utf-8", "replace").strip()
        if not own:
            raise NotNow(f"an entry has no readable {_id_attribute(settings)}")
        return Outsider(
            site=settings.site,
            source="ldap",
            outside_id=f"{settings.id}:{own}",
            account=entry.text(_name_attribute(settings)),
            full_name=entry.text(settings.full_name_attribute) or entry.text("cn"),
            kind=Kind(mapped.kind) if mapped and mapped.kind else None,
            group=mapped.group if mapped else "",
            proofing=f"LDAP {settings.id}",
        )


def _name_attribute(settings: Ldap) -> str:
    return settings.name_attribute or ("sAMAccountName" if settings.active_directory else "uid")


def _id_attribute(settings: Ldap) -> str:
    return settings.id_attribute or ("objectGUID" if settings.active_directory else "entryUUID")


def _disabled(entry: Entry) -> bool:
    control = entry.text("userAccountControl")
    return control.isdecimal() and bool(int(control) & _DISABLED)


def _rdn(dn: str) -> str:
    """Return the plain name of a group by its DN."""
    return dn.partition(",")[0].partition("=")[2]
