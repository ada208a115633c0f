"""The pages of the sign-in side."""
