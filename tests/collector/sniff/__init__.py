"""Tests of the program that watches a wire."""
