"""The section of a provider of OpenID Connect."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from captive_portal.settings.kinds import OutsideGroup, Section, https_url

_Https = Annotated[str, AfterValidator(https_url), Field(min_length=1)]
_Host = Annotated[str, Field(pattern=r"^[A-Za-z0-9.-]{1,253}$")]


class Oidc(Section):
    """A provider of OpenID Connect: people prove there who they are, on its own pages."""

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")
    """Its name in counts, in ids of people and in the address that it sends people back to, for
    ever."""
    site: str
    """The site whose people it has."""
    name: str = Field(min_length=1, max_length=60)
    """What the button calls it."""
    issuer: _Https
    """As the provider writes it: https://accounts.google.com."""
    client_id: str = Field(min_length=1, max_length=255)
    """What it calls the box."""
    client_secret_file: str
    """Path of the secret that it gave out with that, under the home."""
    ca_file: str = ""
    """Certificates of who signed its own, PEM, under the home; empty: those of the system. It is
    always checked."""
    scope: str = Field(
        default="openid profile email", pattern=r"^openid( [\x21\x23-\x5b\x5d-\x7e]+)*$"
    )
    """What it is asked to tell."""
    require: Mapping[str, str] = Field(default_factory=dict)
    """Claims that people must have, as hd = "school.example"; lists must hold it."""
    anybody: bool = False
    """Whoever has an account there comes in: without it `require` must say who may."""
    account_claim: str = ""
    """The claim with the login name, which the school gives out and nobody chooses: email. Empty:
    the box makes a name up that tells nothing."""
    account_domain: str = ""
    """Is left out of login names that end in @ and this."""
    full_name_claim: str = "name"
    """The claim with the name that people read."""
    groups_claim: str = ""
    """The claim with groups, a text or a list."""
    groups: tuple[OutsideGroup, ...] = ()
    """Values of that claim, and what their people are here."""
    hosts: tuple[_Host, ...] = ()
    """Names besides the issuer's that its pages need, with all names below them: reached from its
    site's zones for ten minutes by who pressed its button."""

    @property
    def names(self) -> tuple[str, ...]:
        """All names that its pages need."""
        return (urlsplit(self.issuer).hostname or "", *self.hosts)

    @model_validator(mode="after")
    def _says_who(self) -> Oidc:
        if bool(self.require) == self.anybody:
            raise ValueError(
                f"oidc {self.id}: require says who may come in, or anybody = true; one of the two"
            )
        if self.account_claim == "sub" and self.account_domain:
            raise ValueError(f"oidc {self.id}: sub has no domain to leave out")
        return self
