"""Lease files of three servers: what stands there, and what a cut file does not say."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.decode.leases import changes, dnsmasq, isc, kea
from collector.decode.leases.held import Held, Reading
from collector.records import LeaseEvent
from tests.conftest import REPO

NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)
SOON = NOW + timedelta(hours=1)
MAC = "02:00:5e:00:53:01"
DUID = f"00:03:00:01:{MAC}"

DNSMASQ = f"""\
{int(SOON.timestamp())} {MAC} 10.0.0.5 somchai-phone 01:{MAC}
0 02:00:5e:00:53:02 10.0.0.6 * *
{int(SOON.timestamp())} 20-02:00:5e:00:53:03 10.0.0.7 printer *
duid 00:01:00:01:2f:00:00:01:02:00:5e:00:53:fe
{int(SOON.timestamp())} T12345 2001:db8:1::5 * {DUID}
"""
ISC = f"""\
# The format of this file is documented in the dhcpd.leases(5) manual page.
authoring-byte-order little-endian;
server-duid "\\000\\001\\000\\001 \\"{{";

lease 10.0.0.5 {{
  starts 0 2026/11/22 07:00:00;
  ends 0 2026/11/22 09:00:00;
  cltt 0 2026/11/22 07:00:00;
  binding state active;
  next binding state free;
  rewind binding state free;
  hardware ethernet {MAC};
  uid "\\001\\002\\000^\\000S\\001";
  set vendor-class-identifier = "a; b }} c";
  on expiry {{ execute ("nothing", "x"); }}
  client-hostname "somchai-phone";
}}
lease 10.0.0.6 {{ starts epoch 1795334400; # Sun
  ends never; binding state active; hardware ethernet 2:0:5e:0:53:2; }}
lease 10.0.0.7 {{ binding state active; hardware ethernet 02:00:5e:00:53:03; }}
lease 10.0.0.7 {{ binding state free; hardware ethernet 02:00:5e:00:53:03; }}
ia-na "\\001\\000\\000\\000\\000\\003\\000\\001\\002\\000^\\000S\\001" {{
  cltt 0 2026/11/22 07:00:00;
  iaaddr 2001:db8:1::5 {{ binding state active; max-life 7200; ends 0 2026/11/22 09:00:00; }}
}}
"""
KEA = f"""\
address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context,pool_id
10.0.0.5,{MAC},01:{MAC},3600,{int(SOON.timestamp())},1,0,0,somchai-phone.,0,,0
10.0.0.6,02:00:5e:00:53:02,,4294967295,4294967295,1,0,0,,0,{{ "a": 1&#x2c "b": 2 }},0
10.0.0.7,02:00:5e:00:53:03,,3600,{int(SOON.timestamp())},1,0,0,a,0,,0
10.0.0.7,02:00:5e:00:53:03,,0,{int(NOW.timestamp())},1,0,0,a,0,,0
10.0.0.8,02:00:5e:00:53:04,,3600,{int(SOON.timestamp())},1,0,0,a,1,,0
address,duid,valid_lifetime,expire,subnet_id,pref_lifetime,lease_type,iaid,prefix_len,fqdn_fwd,fqdn_rev,hostname,hwaddr,state
2001:db8:1::5,{DUID},3600,{int(SOON.timestamp())},1,3000,0,7,128,0,0,,,0
"""
FILES = {"dnsmasq": (dnsmasq.read, DNSMASQ), "isc": (isc.read, ISC), "kea": (kea.read, KEA)}
READERS = [pytest.param(*each, id=name) for name, each in FILES.items()]
Read = Callable[[str], Reading]


@pytest.mark.parametrize(("read", "text"), READERS)
def test_leases_are_read_as_they_stand(read: Read, text: str) -> None:
    found = read(text)
    phone, endless, six = (found.held[ip] for ip in ("10.0.0.5", "10.0.0.6", "2001:db8:1::5"))
    assert (found.faults, found.complete) == (0, True)
    assert (phone.mac, phone.hostname, phone.expires) == (MAC, "somchai-phone", SOON)
    assert phone.client_id == f"01:{MAC}"
    assert (endless.mac, endless.expires) == ("02:00:5e:00:53:02", None)
    assert (six.mac, six.client_id, six.expires) == (MAC, DUID, SOON)


@pytest.mark.parametrize("kind", ["isc", "kea"])
def test_the_last_word_of_an_address_counts(kind: str) -> None:
    read, text = FILES[kind]
    assert "10.0.0.7" not in read(text).held
    assert "10.0.0.8" not in read(text).held


@pytest.mark.parametrize(("read", "text"), READERS)
def test_a_file_cut_anywhere_says_nothing_wrong(read: Read, text: str) -> None:
    whole = read(text + text).held  # every lease that was ever told
    whole |= {"10.0.0.7": Held(ip="10.0.0.7")}
    for length in range(len(text)):
        found = read(text[:length])
        assert found.held.keys() <= whole.keys(), text[:length][-60:]
        assert found.faults == 0
        phone = found.held.get("10.0.0.5")
        assert phone is None or phone == whole["10.0.0.5"]


def test_a_file_that_is_being_written_is_known_by_its_end() -> None:
    assert not dnsmasq.read(DNSMASQ[:-5]).complete
    assert not kea.read(KEA[:-5]).complete
    assert not isc.read(ISC[:-5]).complete


LINES = st.sampled_from(
    [line for _, text in FILES.values() for line in text.splitlines(keepends=True)]
)
FILE = st.lists(LINES | st.text(max_size=40), max_size=12).map("".join) | st.text(max_size=400)


@pytest.mark.parametrize(("read", "_text"), READERS)
@given(text=FILE)
def test_any_text_is_read_and_its_leases_can_be_told(read: Read, _text: str, text: str) -> None:
    told = LeaseEvent(time=NOW, site="school-a", kind="dhcp", event="seen")
    found = read(text)
    for ip, lease in found.held.items():
        assert lease.ip == ip
    for event in changes.between(None, changes.current(found.held, NOW), now=NOW, told=told):
        assert LeaseEvent.from_json(event.to_json()) == event


def between(before: dict[str, Held] | None, after: dict[str, Held]) -> list[tuple[str, str, str]]:
    told = LeaseEvent(time=NOW, site="school-a", kind="dhcp", event="seen")
    found = changes.between(before, after, now=NOW, told=told)
    return [(event.event, event.ip, event.mac) for event in found]


def held(mac: str = MAC, expires: datetime | None = SOON) -> dict[str, Held]:
    return {"10.0.0.5": Held(ip="10.0.0.5", mac=mac, expires=expires)}


def test_changes_between_two_looks() -> None:
    other = "02:00:5e:00:53:09"
    assert between(None, held()) == [("seen", "10.0.0.5", MAC)]
    assert between(held(), held()) == []
    assert between({}, held()) == [("add", "10.0.0.5", MAC)]
    assert between(held(), held(expires=SOON + timedelta(hours=1))) == [("renew", "10.0.0.5", MAC)]
    assert between(held(), {}) == [("release", "10.0.0.5", MAC)]
    assert between(held(expires=NOW), {}) == [("expire", "10.0.0.5", MAC)]
    handed_on = [("release", "10.0.0.5", MAC), ("add", "10.0.0.5", other)]
    assert between(held(), held(mac=other)) == handed_on


def test_a_lease_that_has_ended_is_no_longer_held() -> None:
    assert changes.current(held(expires=NOW), NOW) == {}
    assert changes.current(held(expires=None), NOW) == held(expires=None)


def test_addresses_are_in_the_text_that_the_box_takes() -> None:
    text = f"0 {MAC} ::ffff:10.0.0.5 a *\nduid 01\n0 1 fe80::1%eth0 b *\n"
    assert set(dnsmasq.read(text).held) == {"10.0.0.5", "fe80::1"}


GREEDY = """
import resource
from collector.decode.leases import isc
text = {text}
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
isc.read(text)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.parametrize(
    "text",
    [
        """'"' + chr(92) * 2 * (1 << 20)""",
        """'lease 10.0.0.5 {' + ' '.join(map(str, range(1 << 18)))""",
    ],
)
def test_a_file_without_ends_takes_little_memory(text: str) -> None:
    command = [sys.executable, "-c", GREEDY.format(text=text)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=REPO)
    assert int(done.stdout) < 8 << 10  # KiB; the text has two MiB
