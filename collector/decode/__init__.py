"""Bytes to columns. Pure: no sockets, clocks, threads or files."""
