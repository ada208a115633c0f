"""The spool: frames wait here, on the disk, between receiving and sealing.

Append-only files, each named by the number of its first frame. A file opens with a header that
holds a random mark; each frame repeats the mark, has a checksum, and says how far the spool was
durable when it was written. So recovery can tell a write that a crash tore (cut away, nobody was
promised anything) from damage (refused aloud), and a sender cannot fake a frame inside a payload.

One process writes (SpoolWriter); others read what is durable (SpoolReader), which the 16 bytes of
the file `durable` tell them, and take away whole files (release). Frame numbers only ever rise.
"""

from collector.spool.layout import Draft, durable_number, first_position, release, size_bytes
from collector.spool.reader import SpoolReader
from collector.spool.recover import Repair
from collector.spool.writer import SpoolWriter

__all__ = [
    "Draft",
    "Repair",
    "SpoolReader",
    "SpoolWriter",
    "durable_number",
    "first_position",
    "release",
    "size_bytes",
]
