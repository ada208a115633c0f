"""The figures of `make bench`: pieces that others can run alone, and the driver."""
