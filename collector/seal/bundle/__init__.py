"""Bundles: what leaves the box as proof, packed and checked. `pack.py` makes one, `check.py` reads.

A bundle is a stored ZIP in ASiC-E form whose every byte follows from the case, the ledger and the
rows shown: packing again gives the same bytes, and a reader refuses whatever it does not know.
"""
