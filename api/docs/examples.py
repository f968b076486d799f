"""What a value could be, by its name where that says enough, otherwise by its schema."""

from collections.abc import Mapping
from typing import Any

ID = "0199e3b1-5c7a-7d2e-9f10-3b8c4d5e6f70"
TIME = "2026-11-22T12:00:00Z"
SHA256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
BY_NAME: Mapping[str, Any] = {
    "email": "ada@example.com",
    "password": "three tall poplars by the river",
    "sha256": SHA256,
    "content_type": "application/pdf",
    "size": 48_213,
    "tags": ["invoice", "2026"],
    "metadata": {"customer": "4711"},
    "changed": ["name", "tags"],
    "reason": "checksum_mismatch",
    "sequence": "4711",
    "position": "4711",
    "key": f"files/{ID}",
    "bucket": "waybill",
    "kid": "k4.pid.9ShR3xc8-qVJ_di0tc9nx0IDIqbatdeM2mqLFBJsKRHs",
    "scopes": ["files:read"],
    "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    "user_agent": "Mozilla/5.0",
    "next_cursor": None,
    "token": "an opaque text",
    "url": "https://s3.example.com/waybill/…",
    "expires_in": 3600,
    "message": "Here it is",
}
NAMES = {
    **dict.fromkeys(("Registration", "ProfileChange", "AccountView", "MeView"), "Ada"),
    **dict.fromkeys(("NewServiceToken", "NewServiceTokenView", "ServiceTokenView"), "ci"),
}
"""What whatever is described by one of these is called; anything else is called like a file."""
BY_FORMAT = {"uuid": ID, "date-time": TIME, "uri": "https://files.example.com", "binary": "…"}
BY_TYPE: Mapping[str, Any] = {"string": "a text", "integer": 1, "number": 0.5, "boolean": True, "null": None}


def example(schema: Mapping[str, Any], schemas: Mapping[str, Any] | None = None, name: str = "") -> Any:
    """One value that the schema allows; `schemas` are those that it refers to."""
    if "$ref" in schema:
        return example((schemas or {})[schema["$ref"].rpartition("/")[2]], schemas, name)
    for given in ("const", "example"):
        if given in schema:
            return schema[given]
    if found := schema.get("examples") or schema.get("enum"):
        return found[0]
    if branches := schema.get("oneOf") or schema.get("anyOf") or schema.get("allOf"):
        return example(next(each for each in branches if each.get("type") != "null"), schemas, name)
    if name in BY_NAME:
        return BY_NAME[name]
    return _by_type(schema, schemas, name)


def _by_type(schema: Mapping[str, Any], schemas: Mapping[str, Any] | None, name: str) -> Any:
    types = schema.get("type", "string")
    type_ = types if isinstance(types, str) else next(each for each in types if each != "null")
    if type_ == "object":
        found = {key: example(each, schemas, key) for key, each in schema.get("properties", {}).items()}
        return found | ({"name": NAMES[title]} if (title := schema.get("title")) in NAMES else {})
    if type_ == "array":
        return [example(schema.get("items", {}), schemas, name)]
    if schema.get("format") in BY_FORMAT:
        return BY_FORMAT[schema["format"]]
    if type_ == "string" and name == "name":
        return "report.pdf"
    return schema.get("minimum", BY_TYPE[type_]) if type_ == "integer" else BY_TYPE[type_]


def with_examples(schema: dict[str, Any]) -> dict[str, Any]:
    """The same, with an example of each of its properties."""
    properties = {
        name: each if "$ref" in each else {**each, "examples": [example(each, name=name)]}
        for name, each in schema.get("properties", {}).items()
    }
    return {**schema, "properties": properties}


def add_examples(operation: dict[str, Any], schemas: Mapping[str, Any]) -> None:
    """To what a request has to have, and to what it is answered."""
    for parameter in operation.get("parameters", ()):
        if parameter.get("required"):
            parameter["example"] = example(parameter["schema"], schemas, parameter["name"])
    bodies = [operation.get("requestBody", {}), *operation["responses"].values()]
    for media_type in (each for body in bodies for each in body.get("content", {}).values()):
        for given in media_type.pop("examples", {}).values():
            media_type["example"] = given["value"]
        if "example" not in media_type and media_type.get("schema"):
            media_type["example"] = example(media_type["schema"], schemas)
