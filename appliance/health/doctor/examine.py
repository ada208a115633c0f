"""All looks at the machine, each with its time limit: one that hangs is itself a finding."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path

from appliance import settings as box_settings
from appliance.health.doctor import box, machine, network
from appliance.health.doctor.finding import Finding, Ground, Look, State, good
from collector.errors import SettingsError

LIMIT_S = 10.0
LOOKS: Mapping[str, Look] = {
    "home": box.rights,
    "database": box.database,
    "ports": box.ports,
    "gate": box.helper,
    "kernel": machine.kernel,
    "programs": machine.programs,
    "interfaces": machine.interfaces,
    "clock": machine.clock,
    "disk": machine.disk,
    "names": network.names,
    "certificate": network.certificate,
    "radius": network.radius,
}
"""What is looked at, in the order in which it is told."""


def examine(
    home: Path, now: datetime, *, looks: Mapping[str, Look] = LOOKS, limit_s: float = LIMIT_S
) -> Iterator[Finding]:
    """Yield what is found; all looks go on at the same time, and none is waited for for long.

    Args:
        home: The box's home.
        now: The time.
        looks: By name.
        limit_s: So long one look may take.
    """
    try:
        settings = box_settings.load(home)
    except (SettingsError, OSError) as error:
        yield _no_settings(error)
        return
    yield good("settings", "they can be read")
    ground = Ground(home=home, settings=settings, now=now)
    under_way = [_Looking(name, look, ground) for name, look in looks.items()]
    began = time.monotonic()
    for one in under_way:
        yield from one.found(limit_s, began)


class _Looking:
    """One look in a thread of its own, which nobody waits for at the end."""

    def __init__(self, name: str, look: Look, ground: Ground) -> None:
        self._name = name
        self._found: list[Finding] = []
        self._look, self._ground = look, ground
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._found = list(self._look(self._ground))
        except Exception as error:  # noqa: BLE001  # a fault in one look must not hide the others
            self._found = [_broken(self._name, f"{type(error).__name__}: {error}")]

    def found(self, limit_s: float, began: float) -> list[Finding]:
        """Return what was found, or that it took too long since all began (monotonic seconds)."""
        self._thread.join(max(0.0, began + limit_s - time.monotonic()))
        if self._thread.is_alive():
            return [_broken(self._name, f"no answer within {limit_s:.0f} s")]
        return self._found


def _no_settings(error: Exception) -> Finding:
    return Finding(
        check="settings",
        state=State.BAD,
        english=" ".join(str(error).split()),
        thai="อ่านการตั้งค่าไม่ได้",
        mend="prathu check tells the line; prathu init makes a new home",
        mend_thai="ดูด้วย prathu check หรือสร้างใหม่ด้วย prathu init",
    )


def _broken(name: str, why: str) -> Finding:
    return Finding(
        check=name,
        state=State.BAD,
        english=f"this could not be looked at: {why}",
        thai="ตรวจรายการนี้ไม่สำเร็จ",
        mend="see what it asks: the disk, the name servers or the database do not answer",
        mend_thai="ตรวจว่าดิสก์ เซิร์ฟเวอร์ชื่อ หรือฐานข้อมูลไม่ตอบหรือไม่",
    )
