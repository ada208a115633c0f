"""Rows to evidence: canonical bytes, trees, the signed ledger."""
