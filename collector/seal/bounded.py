"""A bound on the memory that a stranger's file may make its reader take.

A page of a Parquet file says itself how large it is unpacked, and 30 kB may say a gigabyte.
"""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MOST_BYTES = 4 << 30
"""Of address space beyond what the process has: a whole segment of 2^22 rows takes a part of it."""
_STATM = Path("/proc/self/statm")


@contextmanager
def memory(most_bytes: int | None = None) -> Iterator[None]:
    """Let this process grow by `most_bytes` at most; who asks for more gets a `MemoryError`."""
    before, hard = resource.getrlimit(resource.RLIMIT_AS)
    more = MOST_BYTES if most_bytes is None else most_bytes
    most = int(_STATM.read_text().split()[0]) * resource.getpagesize() + more
    limits = [limit for limit in (before, hard) if limit != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_AS, (min([most, *limits]), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (before, hard))
