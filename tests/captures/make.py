"""Makes the captures of this folder anew: python -m tests.captures.make.

Needs softflowd and pmacctd.

The traffic is written by scapy with fixed times, softflowd reads it and exports it over loopback,
and what arrives is written down with the time it had. `scapy-*.pcap` are made by scapy's own
encoder of NetFlow, another independent one. The golden files are made by `prathu inspect` and
were compared by eye and with another decoder when they were first committed: look at each
difference before committing a new one.
"""

from __future__ import annotations

import json
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path
from typing import Any

import dpkt

HERE = Path(__file__).resolve().parent
VARIANTS = {
    "softflowd-v5": ["-v", "5"],
    "softflowd-v9": ["-v", "9", "-6"],
    "softflowd-v9-ether-sampled": ["-v", "9", "-T", "ether", "-s", "2"],
    "softflowd-ipfix-milli": ["-v", "10", "-6", "-A", "milli"],
    "softflowd-ipfix-nano-biflow": ["-v", "10", "-6", "-A", "nano", "-b"],
    "softflowd-ipfix-uptime": ["-v", "10", "-6"],
}
BEGIN_S = 1_760_000_000.0
RAW_IP = 101


def traffic(path: Path) -> None:
    """Write a web page, a name, a ping and a page over IPv6, of made-up addresses."""
    scapy: Any = import_module("scapy.all")
    dns, icmp, ip, ip6 = scapy.DNS, scapy.ICMP, scapy.IP, scapy.IPv6
    tcp, udp, ether = scapy.TCP, scapy.UDP, scapy.Ether
    client, server = "00:00:5e:00:53:01", "00:00:5e:00:53:02"

    def pair(up: Any, down: Any) -> list[Any]:
        return [ether(src=client, dst=server) / up, ether(src=server, dst=client) / down]

    def web(a: Any, b: Any, port: int) -> list[Any]:
        steps = [("S", "SA", b"", b""), ("A", "PA", b"GET / HTTP/1.1\r\n\r\n", b"x" * 900)]
        steps += [("FA", "FA", b"", b""), ("A", "A", b"", b"")]
        packets: list[Any] = []
        for up, down, ask, answer in steps:
            packets += pair(
                a / tcp(sport=port, dport=80, flags=up) / ask,
                b / tcp(sport=80, dport=port, flags=down) / answer,
            )
        return packets

    here, there = "10.0.0.5", "203.0.113.9"
    question = dns(rd=1, id=7, qd=scapy.DNSQR(qname="www.example.org"))
    packets = web(ip(src=here, dst=there), ip(src=there, dst=here), 40001)
    packets += pair(
        ip(src=here, dst="10.0.0.1") / udp(sport=40002, dport=53) / question,
        ip(src="10.0.0.1", dst=here) / udp(sport=53, dport=40002) / question,
    )
    packets += pair(ip(src=here, dst=there) / icmp(type=8), ip(src=there, dst=here) / icmp(type=0))
    six, far = "2001:db8::5", "2001:db8:1::9"
    packets += web(ip6(src=six, dst=far), ip6(src=far, dst=six), 40003)
    for number, packet in enumerate(packets):
        packet.time = BEGIN_S + number * 0.125
    scapy.wrpcap(str(path), packets)


def exported(pcap: Path, options: list[str]) -> list[tuple[float, int, bytes]]:
    """Return time, port and payload of what softflowd sends for a capture."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(1)
        target = f"127.0.0.1:{receiver.getsockname()[1]}"
        command = ["softflowd", "-r", pcap.name, "-n", target, "-d", "-a", *options]
        subprocess.run(command, check=True, capture_output=True, timeout=30, cwd=pcap.parent)
        found: list[tuple[float, int, bytes]] = []
        while True:
            try:
                payload, (_, port) = receiver.recvfrom(65535)
            except TimeoutError:
                return found
            found.append((time.time(), port, payload))


def write(path: Path, datagrams: list[tuple[float, int, bytes]]) -> None:
    """Write datagrams as packets of an exporter 192.0.2.10."""
    with path.open("wb") as file:
        writer = dpkt.pcap.Writer(file, linktype=RAW_IP)
        for moment, port, payload in datagrams:
            length = 28 + len(payload)
            source, target = bytes((192, 0, 2, 10)), bytes((192, 0, 2, 1))
            head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, length, 0, 0, 64, 17, 0, source, target)
            udp = struct.pack(">HHHH", port, 2055, 8 + len(payload), 0)
            writer.writepkt(head + udp + payload, ts=moment)


def sampled(pcap: Path) -> list[tuple[float, int, bytes]]:
    """Return time, port and payload of what pmacctd's sFlow agent sends for a capture.

    It goes on until it is told to stop, and then tells what it still has.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(3)
        settings = pcap.with_name("pmacctd.conf")
        settings.write_text(
            f"daemonize: false\npcap_savefile: {pcap}\nplugins: sfprobe[agent]\n"
            f"sfprobe_receiver: 127.0.0.1:{receiver.getsockname()[1]}\n"
            "sfprobe_agentip: 192.0.2.10\nsampling_rate: 1\n"
        )
        found: list[tuple[float, int, bytes]] = []
        with subprocess.Popen(["pmacctd", "-f", str(settings)], stdout=subprocess.DEVNULL) as agent:
            while True:
                try:
                    payload, (_, port) = receiver.recvfrom(65535)
                except TimeoutError:
                    agent.terminate()
                    return found
                found.append((time.time(), port, payload))


def by_scapy() -> dict[str, list[bytes]]:
    """Return datagrams of scapy's encoder: v9 with NAT and options, v5 of three records."""
    nf: Any = import_module("scapy.layers.netflow")
    ids = [8, 12, 7, 11, 4, 1, 2, 225, 226, 227, 228, 230, 22, 21]
    sizes = [4, 4, 2, 2, 1, 4, 4, 4, 4, 2, 2, 1, 4, 4]
    fields = [
        nf.NetflowTemplateFieldV9(fieldType=number, fieldLength=size)
        for number, size in zip(ids, sizes, strict=True)
    ]
    template = nf.NetflowFlowsetV9(
        templates=[nf.NetflowTemplateV9(template_fields=fields, templateID=260)]
    )
    header = nf.NetflowHeader(version=9) / nf.NetflowHeaderV9(
        sysUptime=500_000, unixSecs=int(BEGIN_S), packageSequence=3, SourceID=12
    )
    kind = nf.GetNetflowRecordV9(template, templateID=260)
    record = kind(
        IPV4_SRC_ADDR="10.0.0.5",
        IPV4_DST_ADDR="203.0.113.9",
        L4_SRC_PORT=50000,
        L4_DST_PORT=443,
        PROTOCOL=6,
        IN_BYTES=1234,
        IN_PKTS=7,
        FIRST_SWITCHED=490_000,
        LAST_SWITCHED=499_000,
    )
    for name, value in {
        "postNATSourceIPv4Address": "198.51.100.7",
        "postNATDestinationIPv4Address": "203.0.113.9",
        "postNAPTSourceTransportPort": (40211).to_bytes(2),
        "postNAPTDestinationTransportPort": (443).to_bytes(2),
        "natEvent": b"\1",
    }.items():
        setattr(record, name, value)
    data = nf.NetflowDataflowsetV9(templateID=260, records=[record])
    v5 = nf.NetflowHeader(version=5) / nf.NetflowHeaderV5(
        count=3, sysUptime=500_000, unixSecs=int(BEGIN_S), flowSequence=9, samplingInterval=64
    )
    for number in range(3):
        v5 = v5 / nf.NetflowRecordV5(
            src=f"10.0.0.{number}", dst="203.0.113.9", srcport=40000 + number, dstport=443,
            prot=6, dpkts=4, dOctets=400, first=490_000, last=499_000,
        )  # fmt: skip
    return {"scapy-v9-nat": [bytes(header / template / data)], "scapy-v5": [bytes(v5)]}


def main() -> None:
    """Make captures and golden files."""
    if not shutil.which("softflowd"):
        sys.exit("softflowd is not installed: apt-get install softflowd")
    if not shutil.which("pmacctd"):
        sys.exit("pmacctd is not installed: apt-get install pmacct")
    with tempfile.TemporaryDirectory() as folder:
        pcap = Path(folder) / "traffic.pcap"
        traffic(pcap)
        for name, options in VARIANTS.items():
            write(HERE / f"{name}.pcap", exported(pcap, options))
        write(HERE / "pmacct-sflow.pcap", sampled(pcap))
    for name, payloads in by_scapy().items():
        write(HERE / f"{name}.pcap", [(BEGIN_S + 0.5, 2055, payload) for payload in payloads])
    for path in sorted(HERE.glob("*.pcap")):
        lines = subprocess.run(
            [sys.executable, "-m", "appliance.cli.main", "inspect", path.name],
            check=True, capture_output=True, text=True, cwd=HERE,
            env={"PYTHONPATH": str(HERE.parent.parent), "PATH": "/usr/bin:/bin"},
        ).stdout  # fmt: skip
        golden = [json.loads(line) for line in lines.splitlines()]
        text = "\n".join(json.dumps(line) for line in golden)
        path.with_suffix(".golden.jsonl").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
