"""The formats of vendors, one module each, in the order in which they are tried.

What is sure of its marks stands first; what would read anything of its kind stands last.
"""

from __future__ import annotations

from collector.decode.syslog.formats import (
    aruba,
    cef,
    cisco_asa,
    cisco_ios,
    cisco_wlc,
    dhcp_servers,
    filterlog,
    fortigate,
    freeradius,
    hostapd,
    iptables,
    json_lines,
    juniper,
    leef,
    meraki,
    mikrotik,
    paloalto,
    pfsense,
    ruckus,
    sonicwall,
    sophos,
    squid,
    sshd,
    unifi,
    windows_dhcp,
    windows_nps,
)
from collector.decode.syslog.reading import Format

FORMATS: tuple[Format, ...] = (
    fortigate.FORMAT,
    filterlog.FORMAT,
    paloalto.FORMAT,
    leef.FORMAT,
    unifi.FORMAT,
    cef.FORMAT,
    sophos.FORMAT,
    sonicwall.FORMAT,
    juniper.FORMAT,
    cisco_asa.FORMAT,
    cisco_wlc.FORMAT,
    cisco_ios.FORMAT,
    iptables.FORMAT,
    meraki.FORMAT,
    dhcp_servers.FORMAT,
    sshd.FORMAT,
    pfsense.FORMAT,
    hostapd.FORMAT,
    freeradius.FORMAT,
    squid.FORMAT,
    aruba.FORMAT,
    ruckus.FORMAT,
    windows_dhcp.FORMAT,
    windows_nps.FORMAT,
    mikrotik.FORMAT,
    json_lines.FORMAT,
)
