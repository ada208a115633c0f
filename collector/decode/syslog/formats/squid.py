"""Squid's access log: `time elapsed client code/status bytes method URL user how/peer type`."""

from __future__ import annotations

import re

from collector.decode.syslog.header import Header
from collector.decode.syslog.reading import Format, Reading, matched

_LINE = re.compile(
    r"(?:\d{9,11}\.\d{3} +)?(?P<elapsed_ms>\d{1,12}) +(?P<src_ip>[\da-fA-F.:]{2,45}) +"
    r"(?P<action>(?:TCP|UDP|NONE|ICP|TAG)[A-Z_]{0,40})/(?P<status>\d{3}) "
    r"(?P<bytes_reverse>\d{1,19}) "
    r"(?P<method>[A-Z_-]{1,20}) (?P<url>\S{1,8000}) (?P<account>\S{1,200}) "
    r"(?P<hierarchy>[A-Z_]{1,40})/(?P<peer>\S{1,255})(?: (?P<type>\S{1,100}))?"
)


def _read(header: Header) -> Reading | None:
    found = _LINE.match(header.message)
    if found is None:
        return None
    reading = matched(found, event_type="access", dst_ip=found["peer"])
    rest = {key: value for key, value in reading.rest.items() if key != "elapsed_ms"}
    elapsed = int(found["elapsed_ms"])
    return Reading({**reading.columns, "duration": f"{elapsed // 1000}.{elapsed % 1000:03}"}, rest)


FORMAT = Format(
    name="squid", read=_read, programs=("squid", "(squid-1)"), marks=("TCP_", "UDP_", "NONE")
)
