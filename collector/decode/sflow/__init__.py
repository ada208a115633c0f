"""sFlow version 5: sampled packets to rows of `flows`, what interfaces count to `counters`."""
