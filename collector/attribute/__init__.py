"""Addresses and times to sessions and persons. Pure."""
