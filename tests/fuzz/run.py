"""Fuzz one target: python -m tests.fuzz.run MODULE TARGET SECONDS CORPUS [libFuzzer's options].

Inputs that reach new code stay in the folder CORPUS; one that fails is written beside it, as
`TARGET-crash-…`, and ends the run with another status than 0. Needs atheris.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from pathlib import Path

import atheris

from tests.fuzz.target import Target

MOST_MIB = 2048
SLOWEST_S = 60
"""One input may take so long on a machine that is shared."""


def main(module: str, name: str, seconds: str, folder: str, *options: str) -> None:
    """Fuzz until the time is over or something fails; never returns."""
    with atheris.instrument_imports(include=["appliance", "captive_portal", "collector"]):
        targets: Sequence[Target] = importlib.import_module(f"tests.fuzz.{module}").TARGETS
    [target] = [target for target in targets if target.name == name]
    corpus = Path(folder)
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(target.seeds()):
        (corpus / f"seed-{number:03}").write_bytes(seed)
    limits = [
        f"-max_total_time={seconds}",
        f"-max_len={target.longest}",
        f"-rss_limit_mb={MOST_MIB}",
        f"-timeout={SLOWEST_S}",
        f"-artifact_prefix={corpus.parent / name}-",
        "-verbosity=0",
        "-print_final_stats=1",
    ]
    atheris.Setup([sys.argv[0], *limits, *options, str(corpus)], target.check)
    atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:])
