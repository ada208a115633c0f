"""Real lines of other projects: what is expected of them there is what is read here."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from collector.decode.syslog import messages
from collector.store.schema import EVENTS
from tests.collector.decode.syslog import golden

SHARED = Path(__file__).resolve().parents[5] / "shared" / "data" / "syslog"
CASES = {
    path.parent.name: path
    for path in sorted(SHARED.glob("crowdsecurity-hub/*/*.log"))
    if (path.parent / "parser.assert").stat().st_size
}
_TOLD = re.compile(
    r'results\["([^"]+)"\]\["([^"]+)"\]\[(\d+)\]\.Evt\.(Parsed|Meta)\["(\w+)"\] == (".*")'
)
_COLUMNS = {
    "src_ip": "src_ip",
    "source_ip": "src_ip",
    "sshd_client_ip": "src_ip",
    "remip": "src_ip",
    "dst_ip": "dst_ip",
    "src_port": "src_port",
    "dst_port": "dst_port",
    "nat_src_ip": "nat_src_ip",
    "nat_dst_ip": "nat_dst_ip",
    "nat_src_port": "nat_src_port",
    "nat_dst_port": "nat_dst_port",
    "src_mac": "mac",
    "username": "account",
    "user": "account",
    "target_user": "account",
    "sshd_invalid_user": "account",
    "invalid_user": "account",
    "cef_event_name": "event_type",
}
_UNREAD = {"openvpn", "openvpn-bf", "asterisk-syslogs", "suricata-logs-fastlog", "bind9-syslog"}
"""No format of the product yet."""
_ELSEWHERE = {"pfsense-rfc5424-nginx", "suricata-logs-evelog", "syslog-logs"}
"""Of web servers, of members we name otherwise, of headers alone."""


@pytest.mark.skipif(not CASES, reason="no lines of the CrowdSec hub in ../shared/data")
@pytest.mark.parametrize("case", sorted(CASES.keys() - _UNREAD - _ELSEWHERE) or ["absent"])
def test_a_line_gives_what_its_project_expects(case: str) -> None:
    lines = CASES[case].read_text(encoding="utf-8").splitlines()
    rows = EVENTS.table(messages.decode(golden.frames(lines))).to_pylist()
    compared = 0
    for message, told in _expected(CASES[case].parent / "parser.assert"):
        fitting = [row for row in rows if message.strip() in row["raw"]]
        assert fitting, message
        for key, value in told.items():
            for row in fitting:
                assert str(row[_COLUMNS[key]]).lower() == value.lower(), (key, row["raw"])
                compared += 1
    assert compared


def _expected(path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Give the message and the values of each line that a parser of the project read."""
    entries: dict[tuple[str, str, str], dict[str, str]] = defaultdict(dict)
    for stage, parser, number, _, key, value in _TOLD.findall(path.read_text(encoding="utf-8")):
        entries[stage, parser, number][key] = json.loads(value)
    for entry in entries.values():
        told = {k: v for k, v in entry.items() if k in _COLUMNS and v not in ("", "N/A")}
        if "message" in entry and told:
            yield entry["message"], told


def _filled(text: str) -> str:
    values = {"mark": "<134>", "bsd": "Jan 25 09:59:58", "iso": "2026-01-25T09:59:58", "pid": "9"}
    values |= {
        "arubadate": "Jan 25 09:59:58 2026",
        "host": "dev-1",
        "epoch": "1769310000",
        "date": "2026-01-25",
        "time": "09:59:58",
    }
    return re.sub(r"\{\{ ?(\w+) ?\}\}", lambda found: values.get(found[1], "7"), text).strip("\n")


PRODUCTS = {
    "fortinet_ngfw": "fortigate",
    "mikrotik": "mikrotik",
    "leef": "leef",
    "cisco_ios": "cisco_ios",
    "aruba": "aruba",
    "cisco_firepower": "cisco_asa",
    "cisco_meraki": "meraki",
    "dell_sonicwall": "sonicwall",
    "fireye": "cef",
    "isc": "dhcp_servers",
    "juniper_junos_rfc5424": "juniper",
    "trellix": "cef",
}
"""Whose lines, and the format that reads many of them."""


@pytest.mark.skipif(not SHARED.exists(), reason="no lines of sc4s in ../shared/data")
@pytest.mark.parametrize("product", sorted(PRODUCTS))
def test_the_lines_of_a_product_are_known_by_what_is_in_them(product: str) -> None:
    path = SHARED / "splunk-connect-for-syslog" / f"{product}.jsonl"
    records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    told = messages.read(golden.frames([_filled(record["msg"]) for record in records]))
    assert told.read[PRODUCTS[product]] >= 0.4 * len(records)


@pytest.mark.skipif(not SHARED.exists(), reason="no lines of sc4s in ../shared/data")
def test_no_line_of_any_product_is_lost_or_gives_more_than_a_row() -> None:
    texts = [
        _filled(json.loads(line)["msg"])
        for path in sorted(SHARED.glob("splunk-connect-for-syslog/*.jsonl"))
        for line in path.read_text(encoding="utf-8").splitlines()
    ]
    told = messages.read(golden.frames(texts))
    assert len(told.events) == len(texts) == told.read.total() + len(told.unread)
    assert len(texts) > 500


FIREWALLS: list[tuple[str, dict[str, Any]]] = [
    (
        "302013: Built outbound TCP connection 11757",
        {"src_ip": 2, "src_port": 1772, "dst_ip": 1, "dst_port": 80},
    ),
    (
        "302013: Built outbound TCP connection 906569140",
        {"src_ip": 2, "dst_ip": 1, "nat_src_ip": 3, "nat_src_port": 37785},
    ),
    ("302020: Built inbound ICMP", {"src_ip": 0, "dst_ip": 1, "nat_dst_ip": 2}),
    ("ASA-2-106001", {"src_ip": 0, "dst_ip": 1, "src_port": 43803, "action": "Deny"}),
    ("ASA-2-106006", {"dst_ip": 1, "dst_port": 65021, "protocol": 17}),
    ("ASA-3-106014", {"src_ip": 0, "dst_ip": 1, "protocol": 1}),
    ("ASA-4-106021", {"src_ip": 0, "dst_ip": 1, "protocol": 6}),
    ("access-list inside permitted", {"src_ip": 0, "dst_ip": 1, "dst_port": 80}),
    ("Deny protocol 103", {"protocol": 103, "dst_ip": 1}),
    ("Accessed URL", {"src_ip": 0, "dst_ip": 1}),
    ("Built dynamic TCP translation", {"src_ip": 0, "nat_src_ip": 1, "nat_src_port": 8256}),
    ("LINEPROTO-5-UPDOWN", {"vendor": "cisco_ios", "event_type": "LINEPROTO-5-UPDOWN"}),
    ("SFW2-INext-DROP-DEFLT", {"vendor": "iptables", "src_ip": 0, "action": "block"}),
    ("SFW2-INext-ACC-TCP", {"src_ip": 0, "dst_ip": 1, "dst_port": 631, "action": "accept"}),
    ("FLOWLBL=804001", {"dst_ip": "ff02::fb", "dst_port": 5353}),
    ("TCP_TUNNEL/200", {"vendor": "squid", "src_ip": 0, "dst_ip": 1, "duration_ms": 16867}),
    ("TCP_REFRESH_MISS", {"account": "public-user", "bytes_reverse": 2014}),
]
"""A piece of a line, and what its columns are; of an address, which of those in the line."""


@pytest.mark.skipif(not SHARED.exists(), reason="no lines of logstash in ../shared/data")
@pytest.mark.parametrize(("piece", "want"), FIREWALLS, ids=[piece for piece, _ in FIREWALLS])
def test_a_line_of_a_firewall_or_proxy_is_taken_apart(piece: str, want: dict[str, Any]) -> None:
    folder = SHARED / "logstash-patterns-core"
    records = [r for name in ("firewalls", "squid") for r in json.loads(_text(folder, name))]
    line = next(record["msg"] for record in records if piece in record["msg"])
    row = EVENTS.table(messages.decode(golden.frames([line]))).to_pylist()[0]
    addresses = re.findall(r"(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?![\d.]*\.\d)", line)
    for name, value in want.items():
        at = name.endswith("_ip") and isinstance(value, int)
        assert row[name] == (addresses[value] if at else value), name


def _text(folder: Path, name: str) -> str:
    return (folder / f"{name}.json").read_text(encoding="utf-8")
