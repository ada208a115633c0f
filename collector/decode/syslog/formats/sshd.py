"""OpenSSH's server: sign-ins to the box or gateway itself."""

from __future__ import annotations

import re

from collector.decode.syslog.header import Header
from collector.decode.syslog.reading import Format, Reading, matched

_FROM = r"(?P<src_ip>[\da-fA-F.:]{2,45}(?:%\w{1,16})?)(?: port (?P<src_port>\d{1,5}))?"
_LINES = (
    (
        "login",
        re.compile(
            r"(?P<action>Accepted|Failed|Postponed) (?P<method>[\w/-]{1,60}) for "
            rf"(?P<invalid>invalid user )?(?P<account>.{{0,100}}?) from {_FROM}"
        ),
    ),
    ("login", re.compile(rf"(?P<action>Invalid user) (?P<account>.{{0,100}}?) ?from {_FROM}")),
    (
        "session",
        re.compile(
            r"pam_unix\(sshd:session\): session (?P<action>opened|closed) for user "
            r"(?P<account>[^\s(]{1,100})"
        ),
    ),
    (
        "login",
        re.compile(
            r"pam_\w{1,20}\(sshd:auth\): (?P<action>authentication failure);.{0,200}?"
            r" rhost=(?P<src_ip>\S{0,45})(?: +user=(?P<account>\S{1,100}))?"
        ),
    ),
    (
        "disconnect",
        re.compile(
            r"(?P<action>Disconnected from|Connection closed by|Connection reset by|Received"
            r" disconnect from) "
            r"(?:(?:authenticating |invalid )?user (?P<account>\S{0,100}) )?"
            rf"{_FROM}"
        ),
    ),
    (
        "connect",
        re.compile(
            rf"(?P<action>Connection) from {_FROM}(?: on (?P<dst_ip>\S{{2,45}}) port "
            rf"(?P<dst_port>\d{{1,5}}))?"
        ),
    ),
)


def _read(header: Header) -> Reading | None:
    for kind, pattern in _LINES:
        if (found := pattern.match(header.message)) is not None:
            return matched(found, event_type=kind)
    return None


FORMAT = Format(name="sshd", read=_read, programs=("sshd", "sshd-session"))
