"""Cases: what is shown to whom, on whose word. A case is defined once and never changes."""
