"""Router advertisements of the zones that have IPv6: sent now and then, and to whoever asks.

A device that has an address of its own is answered alone and at once (RFC 4861 6.2.6, RFC 7772), so
that the whole Wi-Fi is not woken up for each phone at eight; beyond a rate one answer is for all.
When the process stops nothing is taken back: the box routes on, for whoever is in.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import random
import socket
import struct
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from ipaddress import IPv6Address, IPv6Interface
from pathlib import Path

from captive_portal.gate import advert
from captive_portal.gate.plan import Plan

LOG = logging.getLogger(__name__)
LOOK_S = 0.1
LEAST_S, MOST_S = 200.0, 600.0
"""Between two that nobody asked for (RFC 4861 6.2.1, its defaults)."""
FIRST, FIRST_S = 3, 16.0
"""So many at the beginning come sooner."""
APART_S, DELAY_S = 3.0, 0.5
"""Those for all are so far apart (MIN_DELAY_BETWEEN_RAS), and so late at most after a question."""
ANSWERS_PER_S, ANSWERS_AT_ONCE = 100.0, 500.0
FAREWELLS = 3
_ALL_NODES, _ALL_ROUTERS = "ff02::1", "ff02::2"
_ADDRESSES = Path("/proc/net/if_inet6")
_ICMP6_FILTER, _SOLICITATION = 1, 133
_SIOCGIFMTU, _SIOCGIFHWADDR = 0x8921, 0x8927
_LINK_SCOPE, _TENTATIVE, _FAILED = 0x20, 0x40, 0x08
_AT_ONCE = 64
Now = Callable[[], float]


@dataclass(slots=True)
class Figures:
    """What was said since the start."""

    sent: int = 0
    """To all of a zone."""
    answered: int = 0
    """To one device."""
    refused: int = 0
    """Solicitations that are none."""
    put_off: int = 0
    """Solicitations beyond the rate: the next advertisement to all is their answer."""
    failed: int = 0
    """Advertisements that the kernel did not take."""


@dataclass(slots=True)
class Pace:
    """When the next advertisement to all is due, in seconds of a clock that only goes on."""

    due: float
    first: int = FIRST
    last: float = -APART_S
    room: float = ANSWERS_AT_ONCE
    filled: float = 0.0

    def asked(self, now: float) -> None:
        """Have all told soon."""
        soon = max(now + random.uniform(0, DELAY_S), self.last + APART_S)  # noqa: S311  # no secret
        self.due = min(self.due, soon)

    def told(self, now: float) -> None:
        """Take note that all were told."""
        self.last = now
        self.first -= self.first > 0
        wait = random.uniform(LEAST_S, MOST_S)  # noqa: S311  # so that routers do not fall in step
        self.due = now + (FIRST_S if self.first else wait)

    def takes(self, now: float) -> bool:
        """Return whether one more may be answered alone."""
        self.room = min(ANSWERS_AT_ONCE, self.room + (now - self.filled) * ANSWERS_PER_S)
        self.filled = now
        if self.room < 1:
            return False
        self.room -= 1
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class _Word:
    """What one zone is told."""

    interface: str
    address: IPv6Interface
    capport: str


@dataclass(slots=True)
class _Voice:
    """One zone, and the socket for it while there is one."""

    word: _Word
    pace: Pace
    wire: socket.socket | None = None
    trouble: str = field(default="")
    """What was last told of in the journal."""


class Adverts:
    """Tells all zones of a plan. For the event loop's thread."""

    def __init__(self, now: Now) -> None:
        self.figures = Figures()
        self._now = now
        self._voices: dict[_Word, _Voice] = {}

    def become(self, plan: Plan) -> None:
        """Tell the zones of this plan from now on; say farewell where that is not so any more."""
        wanted = [
            _Word(
                interface=zone.interface,
                address=zone.address6,
                capport=advert.capport(plan, zone),
            )
            for zone in plan.zones
            if zone.address6 is not None
        ]
        routes = {(word.interface, word.address) for word in wanted}
        for word in [word for word in self._voices if word not in wanted]:
            voice = self._voices.pop(word)
            if (word.interface, word.address) not in routes:
                self._leave(voice)
            self._hang_up(voice)
        for word in wanted:
            self._voices.setdefault(word, _Voice(word, Pace(due=self._now())))

    def standing(self) -> dict[str, int]:
        """Return the figures by name."""
        return asdict(self.figures)

    async def run(self) -> None:
        """Speak until cancelled."""
        try:
            while True:
                for voice in self._voices.values():
                    self._look(voice)
                await asyncio.sleep(LOOK_S)
        finally:
            for voice in self._voices.values():
                self._hang_up(voice)

    def _look(self, voice: _Voice) -> None:
        now = self._now()
        if now < voice.pace.due:
            return
        try:
            if voice.wire is None:
                voice.wire = self._open(voice)
            if not self._send(voice, _ALL_NODES):
                voice.pace.due = now + DELAY_S  # its address is still being looked into
                return
            voice.pace.told(now)
            self.figures.sent += 1
            voice.trouble = ""
        except OSError as error:
            self._fail(voice, error)

    def _fail(self, voice: _Voice, error: OSError) -> None:
        """An interface that went away may come back under another number."""
        self.figures.failed += 1
        self._hang_up(voice)
        voice.pace.due = self._now() + 1
        said = str(error.strerror or error)
        if said != voice.trouble:
            voice.trouble = said
            LOG.warning("no router advertisement on %s: %s", voice.word.interface, said)

    def _open(self, voice: _Voice) -> socket.socket:
        """Return a socket that hears solicitations of one interface alone. Raises OSError."""
        name = voice.word.interface
        wire = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
        try:
            wire.setblocking(False)
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, name.encode())
            wire.setsockopt(socket.IPPROTO_ICMPV6, _ICMP6_FILTER, _only(_SOLICITATION))
            wire.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVHOPLIMIT, 1)
            wire.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_LOOP, 0)
            for kind in (socket.IPV6_MULTICAST_HOPS, socket.IPV6_UNICAST_HOPS):
                wire.setsockopt(socket.IPPROTO_IPV6, kind, 255)
            group = socket.inet_pton(socket.AF_INET6, _ALL_ROUTERS)
            joined = group + struct.pack("=i", socket.if_nametoindex(name))
            wire.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, joined)
        except OSError:
            wire.close()
            raise
        asyncio.get_running_loop().add_reader(wire, self._hear, voice)
        return wire

    def _hang_up(self, voice: _Voice) -> None:
        if voice.wire is not None:
            asyncio.get_running_loop().remove_reader(voice.wire)
            voice.wire.close()
            voice.wire = None

    def _hear(self, voice: _Voice) -> None:
        """Answer those who ask."""
        try:
            for _ in range(_AT_ONCE):
                if voice.wire is None:
                    return
                message, told, _, sender = voice.wire.recvmsg(2048, socket.CMSG_SPACE(4))
                self._answer(voice, message, sender[0], _hop_limit(told))
        except BlockingIOError:
            return
        except OSError as error:
            self._fail(voice, error)

    def _answer(self, voice: _Voice, message: bytes, sender: str, hop_limit: int) -> None:
        source = IPv6Address(sender.partition("%")[0])
        if not advert.is_solicitation(message, source=source, hop_limit=hop_limit):
            self.figures.refused += 1
        elif source.is_unspecified:
            voice.pace.asked(self._now())
        elif not voice.pace.takes(self._now()):
            self.figures.put_off += 1
            voice.pace.asked(self._now())
        elif self._send(voice, str(source)):
            self.figures.answered += 1
        else:
            voice.pace.asked(self._now())

    def _send(self, voice: _Voice, to: str) -> bool:
        """Send to all or one; say whether there was an address to send it from. Raises OSError."""
        wire, word = voice.wire, voice.word
        own = next(_link_local(word.interface), None)
        if wire is None or own is None:
            return False
        mac, mtu = _of_interface(wire, word.interface)
        message = advert.advert(word.address, mac=mac, mtu=mtu, capport=word.capport)
        _say(wire, word.interface, own, to, message)
        return True

    def _leave(self, voice: _Voice) -> None:
        word = voice.word
        try:
            own = next(_link_local(word.interface), None)
            if voice.wire is None or own is None:
                return
            mac, _ = _of_interface(voice.wire, word.interface)
            for _ in range(FAREWELLS):
                farewell = advert.farewell(word.address, mac=mac)
                _say(voice.wire, word.interface, own, _ALL_NODES, farewell)
        except OSError as error:
            LOG.warning("no farewell on %s: %s", word.interface, error.strerror)


def _say(wire: socket.socket, interface: str, own: bytes, to: str, message: bytes) -> None:
    """Send from the interface's own link-local address, as it must be (RFC 4861 4.2)."""
    number = socket.if_nametoindex(interface)
    source = (socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, own + struct.pack("=i", number))
    wire.sendmsg([message], [source], 0, (to, 0, 0, number))


def _link_local(interface: str) -> Iterator[bytes]:
    """Yield an interface's addresses that are of its link alone and in use."""
    for line in _ADDRESSES.read_text(encoding="ascii").splitlines():
        address, _, _, scope, flags, name = line.split()
        unsure = int(flags, 16) & (_TENTATIVE | _FAILED)
        if name == interface and int(scope, 16) == _LINK_SCOPE and not unsure:
            yield bytes.fromhex(address)


def _of_interface(wire: socket.socket, name: str) -> tuple[bytes, int]:
    """Return MAC and MTU (netdevice(7)). Raises OSError."""
    asked = struct.pack("16s24x", name.encode())
    mac = fcntl.ioctl(wire, _SIOCGIFHWADDR, asked)[18:24]
    (mtu,) = struct.unpack_from("=i", fcntl.ioctl(wire, _SIOCGIFMTU, asked), 16)
    return mac, mtu


def _only(kind: int) -> bytes:
    """Return the filter that lets one type of ICMPv6 in (RFC 3542 3.2)."""
    words = [0xFFFFFFFF] * 8
    words[kind >> 5] &= ~(1 << (kind & 31))
    return struct.pack("=8I", *words)


def _hop_limit(told: list[tuple[int, int, bytes]]) -> int:
    for level, kind, value in told:
        if (level, kind) == (socket.IPPROTO_IPV6, socket.IPV6_HOPLIMIT):
            return int(struct.unpack("=i", value[:4])[0])
    return -1
