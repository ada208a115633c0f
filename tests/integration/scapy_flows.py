"""Random flows through scapy's encoder of NetFlow, which knows nothing of our decoder.

An exporter has a few templates of shuffled fields and widths, changes one midway, and tells the
truth that was put in beside its datagrams.
"""

from __future__ import annotations

import ipaddress
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any

SENT_S = 1_790_000_000
UPTIME_MS = 500_000_000
ANY = "IP_PROTOCOL_VERSION", "DIRECTION", "IF_NAME", "FLOW_SAMPLER_ID", "BGP_NEXT_HOP"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_V5_RECORDS = 27
"""As many as fit into a datagram of v7 too."""
ROUTER = bytes((198, 51, 100, 1))

ELEMENTS = {
    "src": (8, (4,)), "dst": (12, (4,)), "src6": (27, (16,)), "dst6": (28, (16,)),
    "src_port": (7, (2,)), "dst_port": (11, (2,)), "protocol": (4, (1,)), "flags": (6, (1,)),
    "packets": (2, (3, 4, 5, 8)), "bytes": (1, (4, 6, 7, 8)),
    "first": (22, (4,)), "last": (21, (4,)), "first_ms": (152, (8,)), "last_ms": (153, (8,)),
}  # fmt: skip
"""Name here: element, and widths in bytes."""
NOISE = ((10, 2), (10, 4), (14, 4), (5, 1), (60, 1), (61, 1), (82, 9), (83, 3), (15, 4), (16, 4),
         (9, 1), (13, 1), (32000, 5), (89, 1))  # fmt: skip
"""Elements and widths of fields that are not compared."""


@dataclass(slots=True)
class Told:
    """What one exporter sends, and what is true of it."""

    datagrams: list[bytes] = field(default_factory=list)
    flows: list[dict[str, Any]] = field(default_factory=list)


def exporter(seed: int, version: int) -> Told:
    """Return one exporter of NetFlow v5, v7, v9 or IPFIX (10), the same for a seed."""
    dice = random.Random(seed)
    if version in (5, 7):
        told = _v5(dice)
        return told if version == 5 else Told([_as_v7(d) for d in told.datagrams], told.flows)
    return _templated(dice, version)


def _flow(dice: random.Random, *, six: bool, most: int) -> dict[str, Any]:
    """Return a flow; a few of its numbers are the largest or smallest there are."""
    began = SENT_S * 1000 - dice.randrange(1000, 400_000)
    protocol = dice.choice((6, 6, 17, 17, 47, 132))
    ported = protocol in (6, 17, 132)
    net = "2001:db8::" if six else "10.0.0.0"
    base, size = int(ipaddress.ip_address(net)), 96 if six else 24
    make = ipaddress.IPv6Address if six else ipaddress.IPv4Address
    return {
        "src": str(make(base + dice.getrandbits(size))),
        "dst": str(make(base + dice.getrandbits(size))),
        "src_port": dice.choice((0, 65535, dice.getrandbits(16))) if ported else 0,
        "dst_port": dice.choice((0, 65535, dice.getrandbits(16))) if ported else 0,
        "protocol": protocol,
        "packets": dice.choice((1, most, 1 + dice.getrandbits(20))),
        "bytes": dice.choice((40, most, min(40 + dice.getrandbits(30), most))),
        "flags": dice.getrandbits(8) if protocol == 6 else 0,
        "first_ms": began,
        "last_ms": began + dice.randrange(0, 900),
    }


def _v5(dice: random.Random) -> Told:
    nf: Any = import_module("scapy.layers.netflow")
    told = Told()
    for _ in range(3):
        flows = [
            _flow(dice, six=False, most=0xFFFFFFFF) for _ in range(dice.randint(1, _V5_RECORDS))
        ]
        packet = nf.NetflowHeader(version=5) / nf.NetflowHeaderV5(
            count=len(flows), sysUptime=UPTIME_MS, unixSecs=SENT_S, flowSequence=len(told.flows)
        )
        for flow in flows:
            packet = packet / nf.NetflowRecordV5(
                src=flow["src"], dst=flow["dst"], srcport=flow["src_port"], tcpFlags=flow["flags"],
                dstport=flow["dst_port"], prot=flow["protocol"], dpkts=flow["packets"],
                dOctets=flow["bytes"], first=_uptime(flow["first_ms"]),
                last=_uptime(flow["last_ms"]),
            )  # fmt: skip
        told.datagrams.append(bytes(packet))
        told.flows += flows
    return told


def _as_v7(datagram: bytes) -> bytes:
    """Return the same in v7, which scapy does not write: each record ends with a router's address.

    The switch says in two octets before it which values hold: all do.
    """
    head, records = datagram[2:24], datagram[24:]
    made = [records[at : at + 48] + ROUTER for at in range(0, len(records), 48)]
    return (7).to_bytes(2) + head + b"".join(made)


def _templated(dice: random.Random, version: int) -> Told:
    told, templates = Told(), {}
    for number in range(10):
        template_id = 256 + dice.randrange(3)
        sets = []
        if template_id not in templates or number == 5:
            templates[template_id] = _template(dice, version, template_id)
            sets.append(templates[template_id][0])
        flowset, names = templates[template_id]
        most = min((1 << min(8 * width, 62)) - 1 for width in _counters(flowset))
        six = "src6" in names
        flows = [_flow(dice, six=six, most=most) for _ in range(dice.randint(1, 12))]
        sets.append(_data(dice, flowset, names, flows))
        told.datagrams.append(_message(version, sets, number, len(told.flows)))
        told.flows += flows
    return told


def _template(dice: random.Random, version: int, template_id: int) -> tuple[Any, list[str]]:
    """Return a template of all that is compared and some that is not, and its names in order."""
    nf: Any = import_module("scapy.layers.netflow")
    six, absolute = dice.random() < 0.4, version == 10 or dice.random() < 0.3
    left_out = {"src", "dst"} if six else {"src6", "dst6"}
    left_out |= {"first", "last"} if absolute else {"first_ms", "last_ms"}
    fields = [
        (name, element, dice.choice(widths))
        for name, (element, widths) in ELEMENTS.items()
        if name not in left_out
    ]
    noise = dict(dice.sample(NOISE, dice.randint(0, 5)))
    fields += [("", element, width) for element, width in noise.items()]
    dice.shuffle(fields)
    specs = [
        nf.NetflowTemplateFieldV9(fieldType=element, fieldLength=width)
        for _, element, width in fields
    ]
    template = nf.NetflowTemplateV9(template_fields=specs, templateID=template_id)
    flowset = nf.NetflowFlowsetV9(flowSetID=2 if version == 10 else 0, templates=[template])
    return flowset, [name for name, _, _ in fields]


def _counters(flowset: Any) -> Iterator[int]:
    """Yield the widths of the counters of a template."""
    for spec in flowset.templates[0].template_fields:
        if spec.fieldType in (1, 2):
            yield spec.fieldLength


def _data(dice: random.Random, flowset: Any, names: list[str], flows: list[dict[str, Any]]) -> Any:
    """Return a data set of flows; its padding is scapy's."""
    nf: Any = import_module("scapy.layers.netflow")
    template = flowset.templates[0]
    kind = nf.GetNetflowRecordV9(flowset, templateID=template.templateID)
    records = []
    for flow in flows:
        record = kind()
        widths = [spec.fieldLength for spec in template.template_fields]
        for at, (name, width) in enumerate(zip(names, widths, strict=True)):
            slot = record.fields_desc[at]
            setattr(record, slot.name, _value(dice, slot, name, width, flow))
        records.append(record)
    return nf.NetflowDataflowsetV9(templateID=template.templateID, records=records)


def _value(dice: random.Random, slot: Any, name: str, width: int, flow: dict[str, Any]) -> Any:
    """Return a value of the type that scapy's field takes."""
    kind = type(slot).__name__
    if name in ("src", "dst", "src6", "dst6"):
        return flow[name.removesuffix("6")]
    if name in ("first", "last"):
        number = _uptime(flow[f"{name}_ms"])
    else:
        number = flow[name] if name else dice.getrandbits(8 * width)
    if "IP6" in kind:
        return str(ipaddress.IPv6Address(number))
    if "IP" in kind:
        return str(ipaddress.IPv4Address(number))
    return number.to_bytes(width, "big") if "Str" in kind else number


def _message(version: int, sets: list[Any], number: int, flows: int) -> bytes:
    nf: Any = import_module("scapy.layers.netflow")
    if version == 9:
        packet = nf.NetflowHeader(version=9) / nf.NetflowHeaderV9(
            sysUptime=UPTIME_MS, unixSecs=SENT_S, packageSequence=number, SourceID=7
        )
    else:
        # scapy forgets the two bytes of the version in the length.
        size = 16 + sum(len(bytes(one)) for one in sets)
        packet = nf.NetflowHeader(version=10) / nf.NetflowHeaderV10(
            length=size, ExportTime=SENT_S, flowSequence=flows, ObservationDomainID=7
        )
    for one in sets:
        packet = packet / one
    return bytes(packet)


def _uptime(moment_ms: int) -> int:
    return UPTIME_MS - (SENT_S * 1000 - moment_ms)


def moment(milliseconds: int) -> datetime:
    """Return milliseconds since the epoch as a datetime."""
    return _EPOCH + timedelta(milliseconds=milliseconds)
