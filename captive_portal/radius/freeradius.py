"""FreeRADIUS behind our own server: its configuration, and how it is started.

It speaks EAP with phones and asks us for everything else. It listens on loopback, so that neither
its clients nor what its version does without (Debian 12's 3.2.1 signs no Access-Accept) are seen
by a NAS.
"""

from __future__ import annotations

import logging
import os
import re
import secrets
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from captive_portal import durable
from captive_portal.errors import PortalError
from captive_portal.radius import certificate, device_root
from captive_portal.settings import Radius

FOLDER = Path("run") / "freeradius"
TEMPLATE = Path(__file__).parents[2] / "config" / "freeradius" / "radiusd.conf"
DEVICES = "devices.pem"
"""In its folder: who signs certificates of devices, and what was taken back."""
PROGRAMS = ("freeradius", "radiusd")
_SECRETS = Path("run") / "freeradius.secrets"
_log = logging.getLogger(__name__)
_SAFE = (3, 2, 5)
"""From here on it signs what it answers (CVE-2024-3596)."""
_CHECK_S = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Secrets:
    """What FreeRADIUS and we know each other by; new in each `run` folder."""

    shared: str
    token: str


def program() -> str | None:
    """Return FreeRADIUS's path, or None where it is not installed."""
    beside = ("/usr/sbin", "/usr/local/sbin")
    path = os.pathsep.join((os.environ.get("PATH", ""), *beside))
    return next((found for name in PROGRAMS if (found := shutil.which(name, path=path))), None)


def read_secrets(home: Path) -> Secrets:
    """Return the secrets of a home; whoever comes first makes them. Raises PortalError."""
    path = home / _SECRETS
    try:
        if not path.exists():
            made = f"{secrets.token_hex(24)}\n{secrets.token_hex(24)}\n"
            durable.write_first(path, made.encode(), 0o600)
        shared, token = path.read_text(encoding="ascii").split()
    except (OSError, ValueError) as error:
        raise PortalError(
            f"the secrets of FreeRADIUS {path}: {error}", hint="delete it, and start again"
        ) from error
    return Secrets(shared=shared, token=token)


def write(home: Path, settings: Radius) -> Path:
    """Write the configuration, make a certificate if there is none, and return its folder.

    Raises:
        PortalError: it cannot be written, or the certificate is of no use.
    """
    folder, known = home / FOLDER, read_secrets(home)
    kept = certificate.ready(home, settings)
    words = {
        "FOLDER": folder,
        "LIBRARIES": _libraries(),
        "SECRET": known.shared,
        "TOKEN": known.token,
        "PORT": settings.eap_port,
        "REST_PORT": settings.eap_rest_port,
        "KEY": kept.key,
        "CERTIFICATE": kept.chain,
        "CA": kept.roots,
        "DEVICES": folder / DEVICES,
    }
    device_root.ready(home)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        durable.write(folder / DEVICES, device_root.trusted(home), 0o600)
        text = filled(TEMPLATE.read_text(encoding="utf-8"), words)
        (folder / "radiusd.conf").write_text(text, encoding="utf-8")
        (folder / "radiusd.conf").chmod(0o600)
    except OSError as error:
        raise PortalError(f"the configuration of FreeRADIUS in {folder}: {error}") from error
    return folder


def stamps(home: Path, settings: Radius) -> tuple[int, ...]:
    """Return when what it reads at its start was last changed, in ns; 0: it is not there."""
    read = (settings.eap_certificate, settings.eap_key, settings.eap_ca, device_root.REVOKED)
    return tuple(_changed(home / path) for path in read)


def _changed(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def rewritten(home: Path, settings: Radius) -> bool:
    """Write the configuration anew; say whether FreeRADIUS would start on it."""
    try:
        check(write(home, settings))
    except PortalError as error:
        # The one that runs goes on with what it has read: half of a new pair of files is no reason
        # to keep everybody out.
        _log.warning("FreeRADIUS goes on with what it has: %s", error)
        return False
    return True


def filled(template: str, words: dict[str, object]) -> str:
    """Return a template with the words between @ filled in.

    Raises:
        PortalError: a word would not stay one word there.
    """
    for word in words.values():
        if re.search(r"[\s'\"\\${}%#]", str(word)):
            raise PortalError(f"FreeRADIUS cannot be told of {word}: choose a plainer path")
    return re.sub(r"@([A-Z_]+)@", lambda found: str(words[found[1]]), template)


def _libraries() -> Path:
    places = (Path("/usr/lib/freeradius"), *Path("/usr/lib").glob("*/freeradius"))
    return next((place for place in places if place.is_dir()), places[0])


def command(folder: Path, *more: str) -> list[str]:
    """Return the command that runs FreeRADIUS on a folder, in the foreground.

    Raises:
        PortalError: it is not installed.
    """
    found = program()
    if found is None:
        raise PortalError(
            "radius.eap: FreeRADIUS is not installed",
            hint="apt install freeradius freeradius-rest (and: systemctl disable --now freeradius)",
        )
    return [found, *(more or ("-f", "-l", "stdout")), "-d", str(folder), "-n", "radiusd"]


def check(folder: Path) -> None:
    """Have FreeRADIUS itself read its configuration.

    Raises:
        PortalError: it refuses it, or is not installed.
    """
    done = subprocess.run(  # noqa: S603  # own argv
        command(folder, "-XC"), capture_output=True, text=True, timeout=_CHECK_S, check=False
    )
    if done.returncode:
        lines = done.stdout.strip().splitlines() or ["it says nothing"]
        raise PortalError(f"FreeRADIUS refuses its configuration: {lines[-1]}")


def version() -> tuple[int, ...]:
    """Return FreeRADIUS's version; empty where it is not installed or does not tell."""
    found = program()
    if found is None:
        return ()
    done = subprocess.run(  # noqa: S603  # own argv
        [found, "-v"], capture_output=True, text=True, timeout=_CHECK_S, check=False
    )
    told = re.search(r"Version (\d+)\.(\d+)\.(\d+)", done.stdout + done.stderr)
    return () if told is None else tuple(int(part) for part in told.groups())


def caveat(found: Sequence[int]) -> str:
    """Return what is to be known of a version of FreeRADIUS, or nothing."""
    if not found or tuple(found) >= _SAFE:
        return ""
    told = ".".join(str(part) for part in found)
    return (
        f"FreeRADIUS {told} does not sign its answers (CVE-2024-3596); the box runs it on loopback "
        "only and signs what access points get. Do not let it serve access points itself."
    )
