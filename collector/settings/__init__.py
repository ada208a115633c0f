"""The collector's settings, a sentence each.

They are sections of the one `prathu.toml` in the home. Unknown keys are errors that name the
nearest right one. Secrets are paths to files.
"""

from collector.settings.checks import check_sites
from collector.settings.faults import nearest
from collector.settings.files import SETTINGS_FILE, read
from collector.settings.models import (
    BelievedSender,
    CollectorSettings,
    Conntrack,
    Datagrams,
    Exporter,
    Flows,
    Keys,
    LeaseFile,
    Limits,
    Listen,
    LocalSyslog,
    LogRetention,
    Names,
    NamesCapture,
    Neighbours,
    Outside,
    Retention,
    SealSettings,
    Section,
    Sflow,
    Site,
    Sniff,
    SpoolSettings,
    SyslogTls,
    TimestampAuthority,
    Uplink,
    Witness,
)
from collector.settings.reading import load, parse

__all__ = [
    "SETTINGS_FILE",
    "BelievedSender",
    "CollectorSettings",
    "Conntrack",
    "Datagrams",
    "Exporter",
    "Flows",
    "Keys",
    "LeaseFile",
    "Limits",
    "Listen",
    "LocalSyslog",
    "LogRetention",
    "Names",
    "NamesCapture",
    "Neighbours",
    "Outside",
    "Retention",
    "SealSettings",
    "Section",
    "Sflow",
    "Site",
    "Sniff",
    "SpoolSettings",
    "SyslogTls",
    "TimestampAuthority",
    "Uplink",
    "Witness",
    "check_sites",
    "load",
    "nearest",
    "parse",
    "read",
]
