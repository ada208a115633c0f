"""Which NASes have shown that they sign their packets: from then on they must (RFC 3579)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Engine, String, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from captive_portal.database import Base, Moment


class SigningNasRow(Base):
    """An address that has sent a Message-Authenticator."""

    __tablename__ = "signing_nas"

    client: Mapped[str] = mapped_column(String(49), primary_key=True)
    """The network of its entry in `radius.clients`."""
    address: Mapped[str] = mapped_column(String(45), primary_key=True)
    since: Mapped[datetime] = mapped_column(Moment)


class Signing:
    """Knows the addresses that sign, each within its entry of the settings."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        with Session(engine) as db:
            query = select(SigningNasRow.client, SigningNasRow.address)
            self._known = {(client, address) for client, address in db.execute(query)}
        self._fresh: set[tuple[str, str]] = set()

    def must(self, client: str, address: str) -> bool:
        """Say whether this address has signed before."""
        return (client, address) in self._known

    def saw(self, client: str, address: str) -> None:
        """Note that it signs; in force at once, and for good after `write`."""
        if (client, address) not in self._known:
            self._known.add((client, address))
            self._fresh.add((client, address))

    def fresh(self) -> Iterable[tuple[str, str]]:
        """Return what was noted since, once."""
        fresh, self._fresh = self._fresh, set()
        return fresh

    def write(self, fresh: Iterable[tuple[str, str]], now: datetime) -> None:
        """Keep it over restarts. From any thread."""
        with Session(self._engine) as db, db.begin():
            for client, address in fresh:
                db.merge(SigningNasRow(client=client, address=address, since=now))
