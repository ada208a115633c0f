"""Copy the font and the script of the pages from `node_modules` into the static folders.

Run at build time (`python -m appliance.web.assets`); uses the standard library alone. The copies
are not committed. Without them the pages still work: forms post, links lead, another font is shown.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

FONT = "@fontsource/sarabun/files/sarabun-{subset}-{weight}-normal.woff2"

ADMIN: tuple[tuple[str, str], ...] = (
    ("htmx.org/dist/htmx.min.js", "htmx.min.js"),
    *(
        (FONT.format(subset=subset, weight=weight), f"sarabun-{subset}-{weight}.woff2")
        for subset in ("thai", "latin")
        for weight in (400, 700)
    ),
)
"""Path below `node_modules`, and the name that the pages ask for."""

TARGETS = (
    (ROOT / "appliance/web/static/vendor", ADMIN),
    (ROOT / "captive_portal/web/static/vendor", ADMIN[1:]),
)
"""The sign-in page needs the font only: it works without script."""


def copy(modules: Path) -> int:
    """Copy every asset from `modules` and return how many files were written.

    Raises:
        FileNotFoundError: a package is not installed.
    """
    written = 0
    for folder, wanted in TARGETS:
        folder.mkdir(parents=True, exist_ok=True)
        for source, name in wanted:
            shutil.copyfile(modules / source, folder / name)
            written += 1
    return written


def main() -> int:
    """Copy from the checkout's `node_modules`; one line either way."""
    try:
        written = copy(ROOT / "node_modules")
    except OSError as error:
        sys.stderr.write(f"page assets: {error}; get them with: npm ci\n")
        return 3
    sys.stderr.write(f"page assets: {written} files\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
