"""Boxes among each other: what one asks outside, and the witness that it is for others."""
