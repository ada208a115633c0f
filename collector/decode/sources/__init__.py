"""What is known of everyone who sends: rhythm, clock, losses, templates, and a guess at the model.

All of it is derived from the frames and what decoding told of them. Evidence never depends on it,
but the coverage rows made here do go into the log, so they hang on the frames alone: cutting the
same frames into other batches, or decoding them again after a restart, tells the same.
"""
