"""Writes `config/prathu.toml` from the settings models: every setting, its default, its sentence.

`make config` runs it; `test_house.py` fails when the file and the models differ. All settings
stand there commented out, so that the file changes nothing where it is copied as it is.
"""

from __future__ import annotations

import ast
import inspect
import json
import textwrap
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from appliance.settings import BoxSettings
from tests.conftest import REPO

SHIPPED = REPO / "config" / "prathu.toml"
HEAD = """\
# Every setting of the box, with its default. Copy what you change to prathu.toml in the home, or to
# a file in prathu.d/ there; `prathu check` tells whether it is right. Made by `make config`.
"""
WIDTH = 98


def document() -> str:
    """Return the whole text of the shipped file."""
    return HEAD + "".join(_table(BoxSettings, ""))


def sentences(model: type[BaseModel]) -> dict[str, str]:
    """Return the docstring under each field of `model`, its parents' too."""
    found: dict[str, str] = {}
    for kind in reversed(model.__mro__):
        if not issubclass(kind, BaseModel) or kind is BaseModel:
            continue
        body = _class_body(kind)
        for field, below in pairwise(body):
            match field, below:
                case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(
                    value=ast.Constant(value=text)
                ):
                    found[name] = " ".join(str(text).split())
    return found


def models(model: type[BaseModel] = BoxSettings) -> Iterator[type[BaseModel]]:
    """Yield `model` and every model of the tables below it."""
    yield model
    for field in model.model_fields.values():
        inner = model_of(field)
        if inner:
            yield from models(inner)


def _class_body(kind: type) -> list[ast.stmt]:
    tree = ast.parse(textwrap.dedent(inspect.getsource(kind))).body[0]
    return tree.body if isinstance(tree, ast.ClassDef) else []


def _table(model: type[BaseModel], path: str, *, many: bool = False) -> Iterator[str]:
    """Yield the lines of one table: its own values first, then the tables inside it."""
    told = sentences(model)
    if path:
        doc = " ".join((model.__doc__ or "").split())
        yield f"\n{_comment(doc)}# {'[[' if many else '['}{path}{']]' if many else ']'}\n"
    for name, field in model.model_fields.items():
        if not is_table(field):
            yield (_comment(told[name]) if name in told else "") + f"# {name} = {_value(field)}\n"
    for name, field in model.model_fields.items():
        inner = model_of(field)
        if inner:
            is_list = get_origin(field.annotation) is tuple
            yield from _table(inner, f"{path}.{name}".lstrip("."), many=is_list)


def is_table(field: FieldInfo) -> bool:
    """Return whether a field is a table of its own, or a list of them."""
    return model_of(field) is not None


def model_of(field: FieldInfo) -> type[BaseModel] | None:
    """Return the model of the table, or of each table of the list, that a field is."""
    for kind in (field.annotation, *get_args(field.annotation)):
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return kind
    return None


def _comment(text: str) -> str:
    lines = textwrap.wrap(text, WIDTH, initial_indent="#: ", subsequent_indent="#: ")
    return "".join(f"{line}\n" for line in lines)


def _value(field: FieldInfo) -> str:
    """Return the default in TOML, or `...` where a value must be given."""
    value: Any = field.get_default(call_default_factory=True)
    if value is PydanticUndefined or value is None:
        return "..." if value is PydanticUndefined else "...  # unset"
    return json.dumps(value, ensure_ascii=False)


if __name__ == "__main__":
    SHIPPED.write_text(document(), encoding="utf-8")
