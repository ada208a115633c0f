"""Backup and restore: everything that a box is, sealed to keys that lie outside it."""
