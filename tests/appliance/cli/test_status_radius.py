"""What the status says of RADIUS devices: who is served, who only knocks, whose secret is wrong."""

from __future__ import annotations

from appliance.cli import status_radius

AP, SWITCH, STRANGER = "10.20.0.5", "10.20.0.6", "198.51.100.9"


def test_each_device_is_told_with_what_is_wrong_with_it() -> None:
    told = {
        "radius_authentication": {
            AP: {"accept": 120, "reject wrong-password": 2, "reject hours": 1},
            SWITCH: {"wrong-message-authenticator": 14, "no-message-authenticator": 3},
            STRANGER: {"unknown": 3},
        },
        "radius": {AP: {"start": 120, "stop": 80}, SWITCH: {"wrong-authenticator": 1}},
        "nas_taken_up": 6,
        "nas_untold": 2,
        "nas_waiting": {AP: {"waiting": 4, "mute": True}, SWITCH: {"waiting": 0, "mute": False}},
    }
    assert [text for name, text in status_radius.lines(told) if name == "radius"] == [
        f"{AP}: 120 let in, 3 refused, 200 accounting packets kept",
        f"{STRANGER} asks, 3 times: unknown; if it is yours: "
        f'[[radius.clients]] network = "{STRANGER}" …',
        f"{SWITCH}: 15 packets refused: its secret is not the one of radius.clients: "
        "enter the same in both",
        f"{SWITCH}: 3 questions refused: without Message-Authenticator: "
        "docs/radius.md says what to set",
        f"{AP} does not answer; 4 orders wait",
        "6 ends from before the start were still to be told to devices",
        "2 ends and changes that no device was told",
    ]


def test_a_box_without_devices_says_nothing() -> None:
    assert not list(status_radius.lines({}))
    assert not list(status_radius.lines({"radius_authentication": {AP: {"status-server": 9}}}))


def test_many_strangers_are_counted_and_what_they_call_themselves_is_made_plain() -> None:
    knocks = {f"198.51.100.{n}": {"unknown": 1} for n in range(1, 10)} | {
        "a\x1b[2J": {"unknown": 2}
    }
    texts = [text for _, text in status_radius.lines({"radius": knocks})]
    assert texts[-1] == "and 5 more unknown devices that ask"
    assert not any("\x1b" in text for text in texts)


def test_8021x_is_told_with_its_caveat_and_the_end_of_its_certificate() -> None:
    told = {"freeradius": "3.2.7", "certificate": "ends in 12 days"}
    found = list(status_radius.lines({"radius_eap": told}))
    assert found == [("802.1X", "FreeRADIUS 3.2.7"), ("802.1X", "ends in 12 days")]
    old = {"freeradius": "3.2.1", "version": "FreeRADIUS 3.2.1 does not sign its answers"}
    (line,) = status_radius.lines({"radius_eap": old})
    assert line == ("802.1X", "FreeRADIUS 3.2.1 does not sign its answers")
