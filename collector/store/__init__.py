"""Columns to Parquet files, and the catalogue that finds them."""
