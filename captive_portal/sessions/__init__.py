"""The session state machine. Pure: events in, session records out."""
