"""Syslog messages to columns, one module a format."""
