"""Lines of `records/` and of `records.csv`, written from rows and their salts."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import pyarrow as pa

from collector.seal.bundle import values
from collector.seal.canonical import Schema
from collector.seal.hashing import Matrix

BOM = "\ufeff"
CRLF = "\r\n"
FIXED = ("segment", "g", "r")
"""The first cells of each line of `records.csv`."""


class Shown(NamedTuple):
    """Rows that leave the box, and what proves them; one element of each a row."""

    table: pa.Table
    groups: Sequence[int]
    """The group of each row in its segment."""
    places: Sequence[int]
    """Its place in the group."""
    salts: Matrix
    detail: Matrix | None
    """Detail salts, or the commitments where details are withheld; None for a log without."""
    withheld: bool


def lines(shown: Shown, schema: Schema) -> tuple[list[str], dict[str, list[str]]]:
    """Return a line of JSON, with its newline, for each row, and the CSV cells by column."""
    core, cells = values.columns_text(shown.table, schema.core)
    numbered = zip(shown.groups, shown.places, core, _b64(shown.salts), strict=True)
    tails = [f'"g":{g},"r":{r},"row":{row},"salt":"{salt}"}}\n' for g, r, row, salt in numbered]
    if shown.detail is None:
        return ["{" + tail for tail in tails], cells
    beside = _b64(shown.detail)
    if shown.withheld:
        heads = [f'{{"detail_commit":"{commit}",' for commit in beside]
    else:
        detail, more = values.columns_text(shown.table, schema.detail)
        cells |= more
        pairs = zip(detail, beside, strict=True)
        heads = [f'{{"detail":{each},"detail_salt":"{salt}",' for each, salt in pairs]
    return [head + tail for head, tail in zip(heads, tails, strict=True)], cells


def _b64(matrix: Matrix) -> list[str]:
    width = matrix.shape[1]
    data = matrix.tobytes()
    encode = base64.b64encode
    return [encode(data[at : at + width]).decode() for at in range(0, len(data), width)]


def csv_header(columns: Sequence[str]) -> str:
    """Return the first line of `records.csv`."""
    return BOM + ",".join(values.csv_cell(name) for name in (*FIXED, *columns)) + CRLF


def csv_columns(schemas: Sequence[Schema]) -> list[str]:
    """Return all columns in the order of first sight, core before detail."""
    seen: dict[str, None] = {}
    for schema in schemas:
        seen |= dict.fromkeys(name for name, _ in schema.columns)
    return list(seen)


def csv_lines(
    segment: str, shown: Shown, cells: dict[str, list[str]], columns: Sequence[str]
) -> Iterator[str]:
    """Give the lines of these rows; what a row has not, or what is withheld, is nothing."""
    nothing = [""] * len(shown.groups)
    rows = [cells.get(name, nothing) for name in columns]
    first = values.csv_cell(segment)
    for g, r, *row in zip(shown.groups, shown.places, *rows, strict=True):
        yield ",".join((first, f'"{g}"', f'"{r}"', *row)) + CRLF
