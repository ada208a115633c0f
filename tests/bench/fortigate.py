"""The log of a school's FortiGate, made fast and the same for a seed: what a FortiOS 7 sends.

Seven lines in ten tell of connections that passed, one of connections that were denied, the rest of
names, web pages and applications that were looked at, of leases and of people who signed in. 1,000
devices talk to 20,000 places; ports, counters, sessions and nanoseconds are as varied as real ones.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import NamedTuple

CLIENTS = 1000
PLACES = 20_000
PER_SECOND = 3000
"""Lines of one second of the device's clock."""
_BANGKOK = timezone(timedelta(hours=7))
_VENDORS = ("Apple", "Samsung", "OPPO", "vivo", "Xiaomi", "Intel", "Huawei", "Realtek")
_SYSTEMS = ("iOS", "Android", "Windows", "macOS", "ChromeOS")
_COUNTRIES = ("Thailand", "Singapore", "United States", "Japan", "Hong Kong", "Netherlands")
_APPS = tuple(
    (15_000 + 37 * n, f"{brand}.{kind}", category, risk)
    for n, (brand, kind, category, risk) in enumerate(
        (brand, kind, category, risk)
        for brand in ("Atlas", "Borealis", "Cumulus", "Delta", "Evergreen", "Fjord", "Glacier")
        for kind, category, risk in (
            ("Video", "Video/Audio", "medium"),
            ("Chat", "Collaboration", "elevated"),
            ("Update", "Update", "low"),
            ("Web", "Web.Client", "medium"),
            ("Store", "Storage.Backup", "elevated"),
        )
    )
)
_CATEGORIES = ((52, "Information Technology"), (41, "Search Engines"), (37, "Social Networking"))
_POLICIES = tuple(
    (n, f"{name}-out", f"{0x5E3A1C00 + n:08x}-4d2e-51ef-{0x9A00 + n:04x}-{0xC0DE00 + n:012x}")
    for n, name in enumerate(("pupils", "teachers", "office", "guests", "labs"), 1)
)
_TRAFFIC_NAMES = ("HTTPS", "HTTP", "QUIC", "DNS", "NTP")


class Client(NamedTuple):
    """A device of the school."""

    address: str
    mac: str
    vendor: str
    system: str
    user: str
    policy: int


class FortiGate:
    """An endless supply of lines, in the order of the device's clock, without an end of line."""

    def __init__(self, seed: int, *, begin_s: int) -> None:
        self._random = random.Random(seed)
        self._begin_s = begin_s
        self._session = 40_000_000
        self._lines = 0
        self._clients = [self._client(n) for n in range(CLIENTS)]
        self._places = [self._place(n) for n in range(PLACES)]

    def lines(self, count: int) -> Iterator[str]:
        """Yield so many lines."""
        kinds = (self._passed, self._denied, self._page, self._name, self._used, self._told)
        chosen = self._random.choices(kinds, (70, 8, 8, 7, 5, 2), k=count)
        for kind in chosen:
            self._lines += 1
            yield kind()

    def _client(self, number: int) -> Client:
        rand = self._random
        return Client(
            f"10.20.{number >> 8}.{number & 255}",
            f"02:00:5e:{rand.randrange(256):02x}:{number >> 8:02x}:{number & 255:02x}",
            rand.choice(_VENDORS),
            rand.choice(_SYSTEMS),
            f"pupil{number:04d}" if number % 3 else "",
            rand.randrange(len(_POLICIES)),
        )

    def _place(self, number: int) -> tuple[str, str, str]:
        """Return address, country and name of a place outside."""
        rand = self._random
        octets = rand.randrange(0x0B, 0xDF), *(rand.randrange(256) for _ in range(3))
        return ".".join(map(str, octets)), rand.choice(_COUNTRIES), f"w{number}.example"

    def _skewed(self, most: int, shape: float) -> int:
        """Return a number below `most`: few come often, many seldom."""
        return int(self._random.paretovariate(shape) - 1) % most

    def _both(self) -> tuple[Client, tuple[str, str, str]]:
        return self._clients[self._skewed(CLIENTS, 0.3)], self._places[self._skewed(PLACES, 0.25)]

    def _head(self, priority: int, logid: str, kind: str, subtype: str, level: str) -> str:
        nanoseconds = self._lines * 1_000_000_000 // PER_SECOND + self._random.randrange(300_000)
        second = self._begin_s + nanoseconds // 1_000_000_000
        clock = (second + 7 * 3600) % 86_400
        return (
            f"<{priority}>date={_date(second)} "
            f"time={clock // 3600:02d}:{clock // 60 % 60:02d}:{clock % 60:02d} "
            f'devname="FG-SCHOOL-1" devid="FGT60FTK20000001" '
            f'eventtime={self._begin_s * 1_000_000_000 + nanoseconds} tz="+0700" logid="{logid}" '
            f'type="{kind}" subtype="{subtype}" level="{level}" vd="root"'
        )

    def _next_session(self) -> int:
        self._session += self._random.randrange(1, 4)
        return self._session - self._random.randrange(20_000)

    def _passed(self) -> str:
        rand = self._random
        client, (place, country, _) = self._both()
        policy, policy_name, uuid = _POLICIES[client.policy]
        kind = rand.choices(range(5), (55, 5, 22, 16, 2))[0]
        proto, port = ((6, 443), (6, 80), (17, 443), (17, 53), (17, 123))[kind]
        app_id, app, category, risk = _APPS[self._skewed(len(_APPS), 0.6)]
        packets = int(min(rand.lognormvariate(2.5, 1.2), 1e6)) + 2
        back = packets + packets // 2
        user = f' user="{client.user}" group="pupils"' if client.user else ""
        action = "accept" if proto == 17 else rand.choices(("close", "timeout"), (9, 1))[0]
        return (
            f"{self._head(189, '0000000013', 'traffic', 'forward', 'notice')} "
            f"srcip={client.address} srcport={rand.randrange(1024, 65536)} "
            f'srcintf="lan" srcintfrole="lan" dstip={place} dstport={port} dstintf="wan1" '
            f'dstintfrole="wan" srccountry="Reserved" dstcountry="{country}" '
            f'sessionid={self._next_session()} proto={proto} action="{action}" '
            f'policyid={policy} policytype="policy" poluuid="{uuid}" policyname="{policy_name}"'
            f'{user} service="{_TRAFFIC_NAMES[kind]}" trandisp="snat" transip=198.51.100.7 '
            f"transport={rand.randrange(1024, 65536)} "
            f'appid={app_id} app="{app}" appcat="{category}" apprisk="{risk}" '
            f'applist="default" duration={int(rand.expovariate(1 / 60))} '
            f"sentbyte={packets * rand.randrange(52, 200)} "
            f"rcvdbyte={back * rand.randrange(200, 1400)} sentpkt={packets} rcvdpkt={back} "
            f'utmaction="allow" countapp=1 srchwvendor="{client.vendor}" '
            f'osname="{client.system}" mastersrcmac="{client.mac}" srcmac="{client.mac}" '
            f"srcserver=0"
        )

    def _denied(self) -> str:
        rand = self._random
        client, (place, country, _) = self._both()
        return (
            f"{self._head(188, '0000000013', 'traffic', 'forward', 'warning')} "
            f"srcip={client.address} srcport={rand.randrange(1024, 65536)} "
            f'srcintf="lan" srcintfrole="lan" dstip={place} '
            f"dstport={rand.choice((25, 445, 23, 3389))} "
            f'dstintf="wan1" dstintfrole="wan" srccountry="Reserved" dstcountry="{country}" '
            f'sessionid={self._next_session()} proto=6 action="deny" policyid=0 '
            f'policytype="policy" service="other" trandisp="noop" duration=0 sentbyte=0 rcvdbyte=0 '
            f'sentpkt=0 rcvdpkt=0 appcat="unscanned" crscore=30 craction=131072 crlevel="high" '
            f'srchwvendor="{client.vendor}" osname="{client.system}" mastersrcmac="{client.mac}" '
            f'srcmac="{client.mac}" srcserver=0'
        )

    def _looked_at(self, client: Client, place: str, port: int, proto: int) -> str:
        policy, _, uuid = _POLICIES[client.policy]
        rand = self._random
        return (
            f'policyid={policy} poluuid="{uuid}" policytype="policy" '
            f"sessionid={self._next_session()} "
            f"srcip={client.address} srcport={rand.randrange(1024, 65536)} "
            f'srccountry="Reserved" srcintf="lan" srcintfrole="lan" dstip={place} dstport={port} '
            f'dstintf="wan1" dstintfrole="wan" proto={proto}'
        )

    def _page(self) -> str:
        rand = self._random
        client, (place, _, name) = self._both()
        number, category = rand.choice(_CATEGORIES)
        user = f' user="{client.user}" group="pupils"' if client.user else ""
        return (
            f"{self._head(189, '0317013312', 'utm', 'webfilter', 'notice')} "
            f'eventtype="ftgd_allow" {self._looked_at(client, place, 443, 6)} '
            f'service="HTTPS"{user} '
            f'hostname="{name}" profile="school" action="passthrough" reqtype="direct" '
            f'url="https://{name}/{rand.getrandbits(48):x}/{rand.randrange(1000)}" '
            f"sentbyte={rand.randrange(400, 900)} rcvdbyte=0 "
            f'direction="outgoing" msg="URL belongs to an allowed category in policy" '
            f'ratemethod="domain" cat={number} catdesc="{category}"'
        )

    def _name(self) -> str:
        rand = self._random
        client, (place, _, name) = self._both()
        number, category = rand.choice(_CATEGORIES)
        return (
            f"{self._head(189, '1501054802', 'utm', 'dns', 'notice')} "
            f'eventtype="dns-response" {self._looked_at(client, "192.0.2.53", 53, 17)} '
            f'profile="default" xid={rand.randrange(65536)} qname="{name}" qtype="A" qtypeval=1 '
            f'qclass="IN" ipaddr="{place}" msg="Domain is monitored" action="pass" cat={number} '
            f'catdesc="{category}"'
        )

    def _used(self) -> str:
        client, (place, _, name) = self._both()
        app_id, app, category, risk = _APPS[self._skewed(len(_APPS), 0.6)]
        return (
            f"{self._head(190, '1059028704', 'utm', 'app-ctrl', 'information')} "
            f'eventtype="signature" appid={app_id} {self._looked_at(client, place, 443, 6)} '
            f'service="SSL" direction="outgoing" applist="default" action="pass" '
            f'appcat="{category}" app="{app}" hostname="{name}" incidentserialno='
            f'{self._random.getrandbits(27)} url="/" msg="{category}: {app}" apprisk="{risk}"'
        )

    def _told(self) -> str:
        client, _ = self._both()
        if not client.user or self._random.random() < 0.5:
            return (
                f"{self._head(190, '0100026001', 'event', 'system', 'information')} "
                f'logdesc="DHCP Ack log" interface="lan" dhcp_msg="Ack" mac="{client.mac}" '
                f'ip={client.address} lease=604800 hostname="device{client.address[-4:]}" '
                f'msg="DHCP server sends a DHCPACK"'
            )
        return (
            f"{self._head(189, '0102043039', 'event', 'user', 'notice')} "
            f'logdesc="User authentication login" srcip={client.address} user="{client.user}" '
            f'authserver="radius" action="auth-logon" status="logon" '
            f'msg="User {client.user} added to auth logon"'
        )


def _date(second: int) -> str:
    """Return the day of a time as the device writes it, in Thailand."""
    return datetime.fromtimestamp(second, _BANGKOK).strftime("%Y-%m-%d")
