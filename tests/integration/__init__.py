"""Tests with real daemons, network namespaces and a browser; each skips with its reason."""
