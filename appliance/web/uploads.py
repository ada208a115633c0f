"""Files that browsers send, in memory alone: a school's roll must not reach the disk as it is."""

from __future__ import annotations

import hmac

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from appliance.errors import WrongUse
from appliance.web.guard import UPLOAD_LIMIT
from appliance.web.visitor import Forbidden, Visitor, refuse_elsewhere


class _InMemory(MultiPartParser):
    """Keeps what it is sent where it is."""

    spool_max_size = UPLOAD_LIMIT + 1


async def upload_of(request: Request, visitor: Visitor) -> tuple[str, bytes, dict[str, str]]:
    """Return the name and the octets of the one file of a form, and its other fields.

    Raises:
        OtherSite: the form stood on a page of another site.
        Forbidden: it is another visitor's, or one from before the last sign-in.
        WrongUse: there is no file in it.
    """
    refuse_elsewhere(request)
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise Forbidden
    try:
        form = await _InMemory(
            request.headers, request.stream(), max_files=1, max_fields=10
        ).parse()
    except MultiPartException as error:
        raise WrongUse("the form cannot be read", hint="load the page again") from error
    fields = {name: value for name, value in form.items() if isinstance(value, str)}
    if not hmac.compare_digest(fields.get("csrf", "").encode(), visitor.csrf.encode()):
        raise Forbidden
    file = next((value for value in form.values() if isinstance(value, UploadFile)), None)
    if file is None or not file.filename:
        raise WrongUse("no file was chosen")
    try:
        return file.filename, await file.read(), fields
    finally:
        await form.close()
