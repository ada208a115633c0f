"""Fuzzing by coverage: a target per decoder, started by `test_fuzz.py`, longer by `make fuzz`."""
