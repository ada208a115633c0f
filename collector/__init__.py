"""WHAT passed: from packets to sealed, searchable records."""
