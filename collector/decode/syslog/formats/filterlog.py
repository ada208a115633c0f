"""pfSense and OPNsense filterlog: fields between commas, as many as the protocol has."""

from __future__ import annotations

from collector.decode.syslog.header import Header
from collector.decode.syslog.reading import UNTOLD, Format, Reading

_HEAD = ("rule", "subrule", "anchor", "tracker", "interface", "reason", "action", "direction")
_V4 = ("tos", "ecn", "ttl", "id", "offset", "flags", "protocol", "protocol_name", "length")
_V6 = ("class", "flow_label", "hop_limit", "protocol_name", "protocol", "length")
_TCP = ("data_length", "tcp_flags", "sequence", "ack", "window", "urgent", "options")
_PASSED = ("pass", "rdr", "nat", "binat")


def _read(header: Header) -> Reading | None:
    cells = header.message.strip().split(",")
    if len(cells) < 9 or cells[8] not in ("4", "6"):
        return None
    told = dict(zip((*_HEAD, "ip_version"), cells, strict=False))
    names = _V4 if cells[8] == "4" else _V6
    ends = 9 + len(names)
    if len(cells) < ends + 2:
        return None
    told |= zip(names, cells[9:ends], strict=True)
    if told["protocol_name"].isdigit():  # both orders are seen
        told["protocol"], told["protocol_name"] = told["protocol_name"], told["protocol"]
    columns = {
        "event_type": "filter",
        "action": told.pop("action"),
        "protocol": told.pop("protocol"),
        "bytes": told.pop("length"),
        "src_ip": cells[ends],
        "dst_ip": cells[ends + 1],
    }
    if told["protocol_name"].lower() in ("tcp", "udp") and len(cells) >= ends + 4:
        columns |= {"src_port": cells[ends + 2], "dst_port": cells[ends + 3]}
        told |= zip(_TCP, cells[ends + 4 :], strict=False)
    elif len(cells) > ends + 2:
        told["more"] = ",".join(cells[ends + 2 :])
    passed = columns["action"] in _PASSED
    rest = {name: value for name, value in told.items() if value}
    note = "" if columns["action"] == "pass" else UNTOLD
    return Reading(columns, rest, "start" if passed else "", note if passed else "")


FORMAT = Format(name="filterlog", read=_read, programs=("filterlog",))
