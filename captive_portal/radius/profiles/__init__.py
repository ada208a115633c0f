"""Profiles with which devices join 802.1X and know whom to trust, made by the box."""
