"""Settings of the portal that contradict one another."""

from pathlib import Path

import pytest

from appliance import settings as box_settings
from collector.errors import SettingsError

OIDC = """
[[sites]]
id = "school-a"
networks = ["10.0.0.0/8"]
[[oidc]]
id = "google"
site = "school-a"
name = "Google"
issuer = "https://accounts.google.com"
client_id = "a"
client_secret_file = "secrets/google"
account_claim = "email"
require = { hd = "school.example" }
"""
PAGE = '[sign_in]\npublic_url = "https://wifi.school.example/"\n'
ZONE = '[[zones]]\nid = "a"\nsite = "school-a"\nnetworks = ["10.1.0.0/16"]\n'


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (OIDC, "public_url"),
        (PAGE + OIDC + OIDC[OIDC.index("[[oidc]]") :], "twice"),
        (
            PAGE + OIDC + OIDC[OIDC.index("[[oidc]]") :].replace('"google"', '"other"'),
            "account_claim",
        ),
        (PAGE + OIDC.replace('site = "school-a"', 'site = "b"'), "unknown site"),
        (PAGE + OIDC + ZONE + 'ways = ["oidc", "device"]', "alone"),
    ],
)
def test_settings_that_cannot_be_are_refused(tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / "prathu.toml").write_text(text)
    with pytest.raises(SettingsError, match=why):
        box_settings.load(tmp_path)
    (tmp_path / "prathu.toml").write_text(PAGE + OIDC)
    assert box_settings.load(tmp_path).portal.oidc[0].id == "google"
