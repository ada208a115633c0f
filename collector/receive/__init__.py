"""Bytes off sockets into the spool. Urgent; parses nothing."""
