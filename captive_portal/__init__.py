"""WHO it was: people, their sign-ins, their sessions."""
