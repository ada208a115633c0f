"""Tests of reading sFlow."""
