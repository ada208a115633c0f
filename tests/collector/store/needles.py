"""Asks DuckDB for needles: a program of its own, so that any DuckDB can run it.

Reads `{"file", "questions": [{"column", "values"}]}` from stdin; answers with the version and for
each question the row numbers found, by each way of asking.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import duckdb

ROWS = "SELECT file_row_number FROM read_parquet(?, file_row_number = true) WHERE "


def literal(value: object) -> str:
    return str(value) if isinstance(value, int) else "'" + str(value).replace("'", "''") + "'"


def ask(engine: duckdb.DuckDBPyConnection, file: str, question: dict[str, Any]) -> dict[str, Any]:
    column, values = question["column"], question["values"]
    marks = ", ".join("?" for _ in values)
    forms = {
        "in": (f'"{column}" IN ({marks})', values),
        "or": (" OR ".join(f'"{column}" = ?' for _ in values), values),
        "literal": (f'"{column}" IN ({", ".join(map(literal, values))})', []),
        "join": (f'"{column}" IN (SELECT unnest(?))', [values]),
    }
    found = {}
    for form, (condition, parameters) in forms.items():
        rows = engine.execute(ROWS + condition, [file, *parameters]).fetchall()
        found[form] = sorted(row[0] for row in rows)
    return found


def main() -> None:
    task = json.load(sys.stdin)
    engine = duckdb.connect(config={"threads": 2})
    found = [ask(engine, task["file"], question) for question in task["questions"]]
    json.dump({"version": duckdb.__version__, "found": found}, sys.stdout)


if __name__ == "__main__":
    main()
