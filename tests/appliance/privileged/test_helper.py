"""What must not be: a helper without root or zones, folders that others may write to."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from appliance.errors import BoxError
from appliance.privileged import helper
from appliance.settings import BoxSettings


def test_a_box_that_is_nobodys_router_needs_no_helper(tmp_path: Path) -> None:
    settings = BoxSettings.model_validate({"sites": [{"id": "school-a"}]})
    with pytest.raises(BoxError, match="nobody's router"):
        helper.run(tmp_path, settings, threading.Event(), clock=lambda: 0)


def test_the_helpers_folder_is_nobody_elses(tmp_path: Path) -> None:
    helper.own_folder(tmp_path / "gate")
    helper.own_folder(tmp_path / "gate")
    (tmp_path / "gate").chmod(0o777)
    with pytest.raises(BoxError, match="is not root's alone"):
        helper.own_folder(tmp_path / "gate")
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(BoxError, match="is not root's alone"):
        helper.own_folder(tmp_path / "link")
    if os.geteuid() == 0:
        (tmp_path / "theirs").mkdir()
        os.chown(tmp_path / "theirs", 65534, 65534)
        with pytest.raises(BoxError, match="is not root's alone"):
            helper.own_folder(tmp_path / "theirs")
