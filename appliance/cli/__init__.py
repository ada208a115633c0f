"""The command line, prathu."""
