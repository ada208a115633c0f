"""Where the CPU goes between spool and sealed segment: the pipeline, each stage watched.

    python -m tests.bench.stages [flows]

CPU time of the thread that runs the stage, so that the sealing thread does not count as decoding.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pyarrow as pa

from collector.decode.decoder import FlowDecoder
from collector.seal.sealer import Sealer
from collector.site import SiteLine
from collector.store import parts, rollup, segments
from collector.store.open_log import OpenLog
from tests.bench import questions
from tests.integration.box import PORTS, Box, free_ports, loopback_settings
from tests.integration.machine import Machine

WATCHED: tuple[tuple[str, object, str], ...] = (
    ("decode", FlowDecoder, "some"),
    ("attribute, at receipt", SiteLine, "complete"),
    ("parts", OpenLog, "add"),
    ("parts", OpenLog, "flush"),
    ("read the parts again", parts, "read"),
    ("attribute, at sealing", SiteLine, "finish"),
    ("write Parquet", segments, "write_any"),
    ("read Parquet back", segments, "pieces"),
    ("seal, all but Parquet", Sealer, "seal"),
    ("count for the rollup", rollup, "count"),
    ("write the rollup", rollup, "write"),
)
INSIDE = {
    "seal, all but Parquet": (
        "write Parquet",
        "read Parquet back",
        "read the parts again",
        "attribute, at sealing",
        "count for the rollup",
    ),
    "parts": ("attribute, at receipt",),
}
"""What is measured within another stage and taken off it."""
_POOL = "ARROW_DEFAULT_MEMORY_POOL"
_ARENAS = {"JE_ARROW_MALLOC_CONF": "narenas:2"}


def run(flows: int) -> dict[str, float]:
    """Return CPU µs per flow by stage."""
    spent: dict[str, float] = defaultdict(float)
    with tempfile.TemporaryDirectory() as folder, Machine(Path(folder)) as machine:
        box = Box(machine, Path(folder) / "home")
        box.init(site=questions.SITE, settings=loopback_settings(free_ports(*PORTS)))
        patches = [
            mock.patch.object(where, name, _watched(stage, getattr(where, name), spent))
            for stage, where, name in WATCHED
        ]
        for patch in patches:
            patch.start()
        began = time.process_time()
        try:
            questions.make_day(box.home, flows)
        finally:
            for patch in patches:
                patch.stop()
        spent["all"] = time.process_time() - began
    for outer, inner in INSIDE.items():
        spent[outer] -= sum(spent[name] for name in inner)
    spent["the rest"] = 2 * spent["all"] - sum(spent.values())
    return {stage: seconds / flows * 1e6 for stage, seconds in spent.items()}


def _watched(
    stage: str, function: Callable[..., Any], spent: dict[str, float]
) -> Callable[..., Any]:
    def watched(*args: object, **kwargs: object) -> Any:
        began = time.thread_time()
        try:
            made = function(*args, **kwargs)
        finally:
            spent[stage] += time.thread_time() - began
        return _watched_steps(stage, made, spent) if isinstance(made, Iterator) else made

    return watched


def _watched_steps(stage: str, steps: Iterator[Any], spent: dict[str, float]) -> Iterator[Any]:
    """Yield what `steps` yields; its time is that of each step, not of what is done between."""
    missing = object()
    while True:
        began = time.thread_time()
        step = next(steps, missing)
        spent[stage] += time.thread_time() - began
        if step is missing:
            return
        yield step


def _as_the_product() -> None:
    """Begin anew with the allocator of the sealing process, which Arrow asks for when it is loaded.

    With Arrow's usual one a quarter of sealing is the kernel's, which fills pages with zeros.
    """
    if _POOL not in os.environ:
        again = [sys.executable, "-m", "tests.bench.stages", *sys.argv[1:]]
        os.execve(sys.executable, again, {**os.environ, _POOL: "jemalloc", **_ARENAS})
    if pa.default_memory_pool().backend_name == "jemalloc":
        pa.jemalloc_set_decay_ms(10_000)


if __name__ == "__main__":
    _as_the_product()
    print(json.dumps(run(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000), indent=1))
