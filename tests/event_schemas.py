"""The schema of every event's data as it was published: `python -m tests.event_schemas` adds what is new."""

import json
from pathlib import Path
from typing import Any

from api.docs.schemas import event_schemas

PUBLISHED = Path(__file__).with_suffix(".json")
SAID = frozenset({"title", "description"})
"""What people read: another wording changes no event."""


def published() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(PUBLISHED.read_text())
    return found


def present() -> dict[str, Any]:
    return {type_: fields_of(schema) for type_, schema in event_schemas().items()}


def fields_of(schema: dict[str, Any]) -> dict[str, Any]:
    """By name: its type, and whether it is always there."""
    required = schema.get("required", ())
    return {
        name: {"always": name in required, **{key: value for key, value in field.items() if key not in SAID}}
        for name, field in schema["properties"].items()
    }


if __name__ == "__main__":
    PUBLISHED.write_text(json.dumps(present(), indent=2, sort_keys=True) + "\n")
