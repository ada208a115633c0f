"""Tests of the program that reads names off a wire."""
