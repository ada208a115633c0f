"""WHAT passed: from packets to sealed, searchable records."""

VERSION = "0.1.0"
"""Of the whole product; pyproject.toml says the same."""
