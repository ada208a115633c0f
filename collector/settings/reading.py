"""A home's settings, read and checked."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from collector.errors import SettingsError
from collector.settings.checks import check_sites
from collector.settings.faults import first_fault
from collector.settings.files import DROP_INS, SETTINGS_FILE, read
from collector.settings.models import CollectorSettings, Section

_Model = TypeVar("_Model", bound=Section)


def parse(document: dict[str, Any], model: type[_Model], *, only_known: bool = False) -> _Model:
    """Return `document` as `model`, whose fields are the sections.

    Args:
        document: What `read` returned.
        model: The sections wanted.
        only_known: Leave out sections that belong to another package instead of refusing them.

    Raises:
        SettingsError: naming the first wrong setting and the nearest right name.
    """
    if only_known:
        document = {k: v for k, v in document.items() if k in model.model_fields}
    try:
        return model.model_validate(document)
    except ValidationError as error:
        hint = f"mend it in {SETTINGS_FILE} or {DROP_INS}, then: prathu check"
        raise SettingsError(first_fault(error, model), hint=hint) from error


def load(home: Path) -> CollectorSettings:
    """Return the collector's sections of the settings in `home`."""
    settings = parse(read(home), CollectorSettings, only_known=True)
    check_sites(settings)
    return settings
