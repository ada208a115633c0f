# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The one error of everything that reads packets here."""

from __future__ import annotations


class Unreadable(ValueError):
    """Bytes that are not what they should be; the text is one of the reasons in `ear.py`."""
