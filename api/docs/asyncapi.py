"""`/asyncapi.json`: FastStream's description of the streams, with what it cannot know of entries that are CloudEvents.

FastStream describes one message for a stream, and its schemas know no null; so each type is a message of its own here.
"""

import functools
import inspect
import operator
import sys
from typing import Any

from faststream.redis import RedisBroker
from faststream.specification import AsyncAPI

from api.docs.examples import example, with_examples
from api.docs.schemas import event_schemas
from domain.catalogue import CATALOGUE, STREAMS
from outbox.envelope import SOURCE

ENTRY = """\
Redis Streams, one key each: read with XREADGROUP, as many groups as you like, created from `0`. An entry's id is
`<position>-0`; it is a flat map of text, a CloudEvent 1.0 in binary mode: the headers below are fields of it, and so is
`data`, which holds the payload as JSON. You see each entry at least once; (`source`, `id`) tells doubles apart. Events
of one subject come in the order in which they happened. Over HTTP (`/v1/events`) an event is one JSON object, and its
`data` too.
"""
ATTRIBUTES: dict[str, dict[str, Any]] = {
    "specversion": {"const": "1.0", "description": "The version of CloudEvents."},
    "id": {"format": "uuid", "description": "Of the event; never used again."},
    "source": {"const": SOURCE, "description": "Who says so."},
    "type": {"description": "What has happened."},
    "subject": {"format": "uuid", "description": "To which file, account or tick it happened."},
    "time": {"format": "date-time", "description": "When it happened, in UTC."},
    "datacontenttype": {"const": "application/json", "description": "What `data` is."},
    "sequence": {"pattern": "^[1-9][0-9]*$", "description": "Its position, the same as in the entry's id."},
    "partitionkey": {"format": "uuid", "description": "Events of one key are in order; the same as `subject`."},
    "traceparent": {"description": "W3C trace context of the request that caused it, where there is one."},
}


@functools.cache
def document() -> dict[str, Any]:
    """The whole description, in AsyncAPI 3."""
    found = _from_faststream()
    schemas = event_schemas()
    found["channels"] = {_name(stream): _channel(found["channels"][stream], stream) for stream in STREAMS}
    found["operations"] = {f"publish-{name}": _operation(name) for name in found["channels"]}
    found["components"] = {
        "messages": {name: _message(name, schemas[name]) for name in schemas},
        "schemas": {name: with_examples(schema) for name, schema in schemas.items()},
    }
    return found


def _from_faststream() -> dict[str, Any]:
    broker = RedisBroker("redis://localhost:6379", apply_types=False)
    for stream in STREAMS:
        types = [each for each in CATALOGUE.values() if each.stream == stream]
        broker.publisher(stream=stream, title=stream, schema=functools.reduce(operator.or_, types))
    found: dict[str, Any] = (
        AsyncAPI(broker, title="Waybill", version="1", description=ENTRY).to_specification().to_jsonable()
    )
    server = found["servers"].pop("development")
    del server["protocolVersion"], server["pathname"]
    found["servers"] = {"redis": server | {"description": "Wherever WAYBILL_REDIS_URL leads"}}
    return found


def _channel(channel: dict[str, Any], stream: str) -> dict[str, Any]:
    types = [name for name, each in CATALOGUE.items() if each.stream == stream]
    return channel | {
        "description": inspect.getdoc(sys.modules[CATALOGUE[types[0]].__module__]),
        "servers": [{"$ref": "#/servers/redis"}],
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in types},
    }


def _operation(name: str) -> dict[str, Any]:
    return {
        "action": "send",
        "summary": "Waybill appends what has happened, once it is committed.",
        "channel": {"$ref": f"#/channels/{name}"},
    }


def _message(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    headers = {
        "type": "object",
        "required": [each for each in ATTRIBUTES if each != "traceparent"],
        "properties": {key: {"type": "string", **value} for key, value in ATTRIBUTES.items()},
    }
    headers["properties"]["type"] |= {"const": name}  # type: ignore[index]
    return {
        "name": name,
        "title": name,
        "summary": schema["description"],
        "contentType": "application/json",
        "headers": headers,
        "payload": {"$ref": f"#/components/schemas/{name}"},
        "examples": [{"headers": example(headers), "payload": example(schema)}],
    }


def _name(stream: str) -> str:
    return stream.rpartition(":")[2]
