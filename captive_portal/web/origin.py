"""Whether a form was sent from a page of another site: somebody would sign you in as themselves.

The token of a form is bound to the device's address, and devices behind one NAT share theirs; so
what the browser says of where the form stood counts too (Fetch section 3.2; Fetch Metadata 2.3).
"""

from __future__ import annotations

from starlette.requests import Request

_READING = ("GET", "HEAD")


def from_elsewhere(request: Request) -> bool:
    """Say whether a form came from a page that is not of this very origin.

    Windows of captive portals send `null` for the origin or none at all: those are taken, unless
    the browser says as well that it was another site.
    """
    if request.method in _READING:
        return False
    headers = request.headers
    if headers.get("sec-fetch-site", "").lower() == "cross-site":
        return True
    origin = headers.get("origin", "null").lower()
    return origin not in ("null", f"{request.url.scheme}://{headers.get('host', '').lower()}")
