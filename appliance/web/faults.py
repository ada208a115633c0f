"""What the search says is wrong, in the language of the page.

The search tells its faults in English, for the command line and for programs. Those that somebody
who types a question meets every day are known here by their pattern; any other is shown as it is.
"""

from __future__ import annotations

import re

from appliance.web.texts import Texts

FAULTS: tuple[tuple[str, str], ...] = (
    (
        r"no field is called '(?P<name>[^']*)'; did you mean '(?P<near>[^']*)'\?",
        "There is no field {name}; did you mean {near}?",
    ),
    (
        r"no field is called '(?P<name>[^']*)'; the log \w+ has: (?P<known>.*) and its columns",
        "There is no field {name}. Fields: {known}",
    ),
    (
        r"it ends too early; is a \) or a value missing\?",
        "It ends too early. Is a closing bracket or a value missing?",
    ),
    (r"'(?P<sign>.)' is not wanted here.*", "The sign {sign} is not wanted here."),
    (r"wanted a number such as 443 or 10MB, not '(?P<got>.*)'", "{got} is no number."),
    (
        r"wanted an address.*, not '(?P<got>.*)'",
        "{got} is no address. Wanted for instance 198.51.100.7 or 10.20.0.0/16",
    ),
    (
        r"'(?P<got>.*)' is no address; wanted.*",
        "{got} is no address. Wanted for instance 198.51.100.7:40211 or [2001:db8::7]:443",
    ),
    (
        r"'(?P<got>.*)' is still to come: .*",
        "{got} is still to come, and the logs tell of the past.",
    ),
    (r"'(?P<got>.*)' is no port; .*", "{got} is no port. A port is 0 to 65535."),
    (
        r"'(?P<got>.*)' is no time[:;].*",
        "{got} is no time. Wanted for instance 2569-11-22T14:30, -2h, today or now",
    ),
    (
        r"'(?P<got>.*)' is outside the years 1970 to 2399; .*",
        "{got} is outside the years 2513 to 2942 of the Buddhist era.",
    ),
    (
        r"'(?P<got>.*)' is no length of time; .*",
        "{got} is no length of time. Wanted for instance 30s, 5m, 2h or 1d",
    ),
    (
        r"'(?P<got>.*)' is no protocol; .*",
        "{got} is no protocol. Wanted tcp, udp, icmp or a number to 255",
    ),
    (r"the period is empty: .*", "The period is empty: its end lies before its begin."),
    (r"the question is empty.*", "The question is empty. To see everything, ask: *"),
)
"""Pattern of a fault, and the message of the pages that says the same."""

_PLACE = re.compile(r"the question is wrong at character (?P<at>\d+): (?P<what>.*)", re.DOTALL)


def told(fault: str, words: Texts) -> str:
    """Return a fault of the search in the language of `words`."""
    if placed := _PLACE.fullmatch(fault):
        what = told(placed["what"], words)
        return words("The question is wrong at character {at}: {what}", at=placed["at"], what=what)
    for pattern, message in FAULTS:
        if found := re.fullmatch(pattern, fault, re.DOTALL):
            return words(message, **found.groupdict())
    return fault
