"""Tests of what the box looks at by itself."""
