"""The stand-alone verifier as a module, and as the program that people run."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.conftest import REPO

FILE = REPO / "packaging" / "verify" / "verify_bundle.py"


def load() -> Any:
    """Return the program's module; it is in no package."""
    spec = importlib.util.spec_from_file_location("verify_bundle", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def run(bundle: Path, policy: Path | None = None) -> tuple[int, dict[str, Any], str]:
    """Run the program with the standard library alone; return status, answer and complaints."""
    words = [sys.executable, "-I", "-S", str(FILE), str(bundle), "--json"]
    words += ["--policy", str(policy)] if policy else []
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, json.loads(done.stdout or "{}"), done.stderr
