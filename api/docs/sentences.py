"""The sentence that stands under a field, as source code has it: what no type can tell."""

import ast
import inspect
import textwrap
from collections.abc import Iterator
from itertools import pairwise


def sentences(cls: type) -> dict[str, str]:
    """By the field's name, those of the bases too."""
    return {name: text for base in reversed(cls.__mro__) if base is not object for name, text in _own(base)}


def _own(cls: type) -> Iterator[tuple[str, str]]:
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(cls))).body
    body = definition.body if isinstance(definition, ast.ClassDef) else []
    for field, below in pairwise(body):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and (text := _text(below)):
            yield field.target.id, text


def _text(statement: ast.stmt) -> str | None:
    value = statement.value if isinstance(statement, ast.Expr) else None
    return value.value if isinstance(value, ast.Constant) and isinstance(value.value, str) else None
