"""An independent encoder: hellos, QUIC Initial packets, and what carries them.

The keys are made with the standard library's HMAC alone (RFC 5869), DNS and IP by scapy. What is
built for the connection id of RFC 9001 appendix A is compared with the packets printed there.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from scapy.layers.dns import DNS, DNSQR, DNSRR
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.packet import Raw

CLIENT, SERVER, RESOLVER = "10.0.0.5", "203.0.113.9", "10.0.0.1"
V1, V2 = 1, 0x6B3343CF
_SALT = {
    V1: "38762cf7f55934b34d179ae6a4c80cadccbb7f0a",
    V2: "0dede3def700a6db819381be6e269dcbf9bd2ed9",
}
_WORD = {V1: "quic", V2: "quicv2"}
_FIRST = {V1: 0xC3, V2: 0xD3}


def hello(name: str = "www.example.org", *, ech: bool = False, pad: int = 0) -> bytes:
    """Return a ClientHello as a handshake message; `pad` octets stand in front of the name."""
    parts = [_extension(0x0A0A, b""), _extension(43, b"\2\3\4")]
    parts += [_extension(21, bytes(pad))] if pad else []
    parts += [_extension(0xFE0D, b"\0\0\1\0\1" + bytes(40))] if ech else []
    if name:
        entry = b"\0" + struct.pack(">H", len(name)) + name.encode()
        parts.append(_extension(0, struct.pack(">H", len(entry)) + entry))
    block = b"".join(parts)
    body = b"\3\3" + bytes(range(32)) + b"\x20" + bytes(32) + b"\0\4\x13\1\x13\2" + b"\1\0"
    body += struct.pack(">H", len(block)) + block
    return b"\1" + len(body).to_bytes(3, "big") + body


def record(handshake: bytes, size: int = 16_384) -> bytes:
    """Return TLS records that hold a handshake message, `size` octets each."""
    cut = [handshake[at : at + size] for at in range(0, len(handshake), size)]
    return b"".join(b"\x16\3\1" + struct.pack(">H", len(one)) + one for one in cut)


def tls(payload: bytes, sequence: int = 1000, port: int = 50_000, **more: Any) -> bytes:
    """Return an IP packet with a segment of TCP from the client."""
    told = {"dport": 443, "flags": "PA", **more}
    return bytes(IP(src=CLIENT, dst=SERVER) / TCP(sport=port, seq=sequence, **told) / Raw(payload))


def udp(payload: bytes, port: int = 50_000, six: bool = False) -> bytes:
    """Return an IP packet with a datagram from the client to port 443."""
    ip = IPv6(src="2001:db8::5", dst="2001:db8:1::9") if six else IP(src=CLIENT, dst=SERVER)
    return bytes(ip / UDP(sport=port, dport=443) / Raw(payload))


def crypto(handshake: bytes, offset: int = 0, size: int | None = None) -> bytes:
    """Return a CRYPTO frame with a piece of a handshake message."""
    piece = handshake[offset : None if size is None else offset + size]
    return b"\6" + varint(offset) + varint(len(piece)) + piece


def initial(
    frames: bytes,
    *,
    version: int = V1,
    connection: bytes = bytes.fromhex("8394c8f03e515708"),
    keys_of: bytes | None = None,
    number: int = 2,
    token: bytes = b"",
    size: int = 1162,
) -> bytes:
    """Return a client's Initial packet, its frames padded to `size` octets."""
    frames = frames.ljust(size, b"\0")
    head = bytes([_FIRST[version]]) + struct.pack(">I", version)
    head += bytes([len(connection)]) + connection + b"\0" + varint(len(token)) + token
    head += struct.pack(">H", 0x4000 | len(frames) + 20)
    told = struct.pack(">I", number)
    key, iv, mask_key = _keys(version, connection if keys_of is None else keys_of)
    nonce = (int.from_bytes(iv, "big") ^ number).to_bytes(12, "big")
    body = AESGCM(key).encrypt(nonce, frames, head + told)
    encryptor = Cipher(algorithms.AES(mask_key), modes.ECB()).encryptor()
    mask = encryptor.update(body[:16])
    first = head[0] ^ mask[0] & 0x0F
    hidden = bytes(a ^ b for a, b in zip(told, mask[1:5], strict=True))
    return bytes([first]) + head[1:] + hidden + body


def varint(value: int) -> bytes:
    """Return a number of variable length (RFC 9000 section 16)."""
    if value < 64:
        return bytes([value])
    return (
        struct.pack(">H", 0x4000 | value) if value < 1 << 14 else struct.pack(">I", 2 << 30 | value)
    )


def answer(
    *records: tuple[str, str, str, int],
    name: str = "www.example.org",
    kind: str = "A",
    to: str = CLIENT,
    **more: Any,
) -> bytes:
    """Return an IP packet with a DNS answer; records are owner, kind, value and TTL."""
    made = [DNSRR(rrname=o, type=k, rdata=v, ttl=t) for o, k, v, t in records]
    head = {"id": 7, "qr": 1, "aa": 0, "ra": 1, **more}
    message = DNS(**head, qd=[DNSQR(qname=name, qtype=kind)], an=made)
    return bytes(IP(src=RESOLVER, dst=to) / UDP(sport=53, dport=40_000) / message)


def _extension(kind: int, value: bytes) -> bytes:
    return struct.pack(">HH", kind, len(value)) + value


def _keys(version: int, connection: bytes) -> tuple[bytes, bytes, bytes]:
    secret = hmac.new(bytes.fromhex(_SALT[version]), connection, hashlib.sha256).digest()
    client = _expand(secret, "client in", 32)
    word = _WORD[version]
    return (
        _expand(client, f"{word} key", 16),
        _expand(client, f"{word} iv", 12),
        _expand(client, f"{word} hp", 16),
    )


def _expand(secret: bytes, label: str, size: int) -> bytes:
    told = struct.pack(">HB", size, len(label) + 6) + b"tls13 " + label.encode() + b"\0"
    return hmac.new(secret, told + b"\1", hashlib.sha256).digest()[:size]
