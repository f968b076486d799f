"""The schema of each event's data: msgspec's, which writes it, with the sentence of every field."""

from datetime import datetime
from typing import Any, get_args, get_type_hints

import msgspec

from api.docs.sentences import sentences
from domain.catalogue import CATALOGUE


def event_schemas() -> dict[str, dict[str, Any]]:
    """By wire name."""
    return {name: _schema(CATALOGUE[name]) for name in sorted(CATALOGUE)}


def _schema(event_type: type) -> dict[str, Any]:
    _, components = msgspec.json.schema_components([event_type])
    found: dict[str, Any] = components[event_type.__name__]
    told = sentences(event_type)
    for name, type_ in get_type_hints(event_type).items():
        if field := found["properties"].get(name):
            field |= {"description": told[name]} if name in told else {}
            for each in field.get("anyOf", [field]) if datetime in (type_, *get_args(type_)) else ():
                each.update({"format": "date-time"} if each["type"] == "string" else {})
    return found
