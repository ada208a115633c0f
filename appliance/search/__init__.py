"""A question in words to rows."""
