"""Leases of DHCP servers: their files, what changed in them, and their log lines."""
