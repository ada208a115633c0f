"""A real OpenLDAP server with a school in it, on loopback, under TLS."""

from __future__ import annotations

import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from tests.collector.receive.authority import Authority
from tests.integration.machine import wait_for

BASE = "dc=school,dc=example"
READER = f"cn=reader,{BASE}"
READER_PASSWORD = "only reads"
_SCHEMA = Path("/etc/ldap/schema")


def program() -> str:
    """Return where slapd is; the test is left out where it is not."""
    found = shutil.which("slapd", path="/usr/sbin:/usr/local/sbin:/usr/bin")
    if not found or not _SCHEMA.is_dir():
        pytest.skip("slapd is not installed (Debian package slapd)")
    return found


class Slapd:
    """One server; `ldaps` and `ldap` are its addresses."""

    def __init__(self, folder: Path, authority: Authority, *, name: str, days: int = 30) -> None:
        self._program = program()
        self._folder = folder
        folder.mkdir()
        certificate, key = authority.issue(name, days=days)
        self._write(certificate, key)
        plain, secure = _free_ports()
        self.ldap, self.ldaps = f"ldap://localhost:{plain}", f"ldaps://localhost:{secure}"
        self._ports = (plain, secure)
        self._process: subprocess.Popen[bytes] | None = None

    def _write(self, certificate: Path, key: Path) -> None:
        folder = self._folder
        (folder / "db").mkdir()
        schemas = ("core", "cosine", "inetorgperson", "nis", "msuser")
        lines = [f"include {_SCHEMA / name}.schema" for name in schemas]
        lines += [
            "modulepath /usr/lib/ldap",
            "moduleload back_mdb",
            # Anybody without a password is let in as nobody: what a careless client falls for.
            "allow bind_anon_cred",
            f"TLSCertificateFile {certificate}",
            f"TLSCertificateKeyFile {key}",
            f"pidfile {folder / 'pid'}",
            "database mdb",
            "maxsize 16777216",
            f"suffix {BASE}",
            f'rootdn "cn=root,{BASE}"',
            f"directory {folder / 'db'}",
            "access to attrs=userPassword by anonymous auth by * none",
            "access to * by users read by * none",
        ]
        self.conf = folder / "slapd.conf"
        self.conf.write_text("\n".join(lines) + "\n")

    def load(self, ldif: str) -> None:
        """Put entries in, before the start."""
        text = SCHOOL + ldif
        done = subprocess.run(
            [self._program, "-T", "add", "-f", str(self.conf)],
            input=text.encode(),
            capture_output=True,
        )
        assert done.returncode == 0, done.stderr.decode()

    def start(self) -> None:
        """Start it, and wait until it listens."""
        addresses = " ".join(
            f"{scheme}://127.0.0.1:{port}"
            for scheme, port in zip(("ldap", "ldaps"), self._ports, strict=True)
        )
        command = [self._program, "-d", "0", "-h", addresses, "-f", str(self.conf)]
        self._process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        wait_for("slapd", self._listens)

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self._ports[1])) == 0

    def stop(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(20)
            self._process = None


def _free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        return one.getsockname()[1], other.getsockname()[1]


def person(uid: str, full_name: str, password: str, more: str = "") -> str:
    """Return somebody's entry."""
    return f"""
dn: uid={uid},ou=people,{BASE}
objectClass: inetOrgPerson
uid: {uid}
cn: {uid}
sn: {uid}
displayName: {full_name}
userPassword: {password}
{more}"""


def group(name: str, *members: str) -> str:
    """Return a group; members are RDNs below people or groups."""
    lines = "\n".join(f"member: {member},{BASE}" for member in members)
    return f"\ndn: cn={name},ou=groups,{BASE}\nobjectClass: groupOfNames\ncn: {name}\n{lines}\n"


SCHOOL = f"""
dn: {BASE}
objectClass: dcObject
objectClass: organization
dc: school
o: school

dn: {READER}
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: reader
userPassword: {READER_PASSWORD}

dn: ou=people,{BASE}
objectClass: organizationalUnit
ou: people

dn: ou=groups,{BASE}
objectClass: organizationalUnit
ou: groups
"""
