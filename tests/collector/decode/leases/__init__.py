"""Tests of reading leases."""
