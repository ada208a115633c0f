"""Tests of what keeps the box well."""
