"""What is too long for `make test`: `make soak` runs it and writes build/soak.json."""
