"""Which NASes have shown that they sign their packets: from then on they must (RFC 3579)."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from captive_portal.database import Base, Moment


class SigningNasRow(Base):
    """An address that has sent a Message-Authenticator."""

    __tablename__ = "signing_nas"

    client: Mapped[str] = mapped_column(String(49), primary_key=True)
    """The network of its entry in `radius.clients`."""
    address: Mapped[str] = mapped_column(String(45), primary_key=True)
    since: Mapped[datetime] = mapped_column(Moment)
