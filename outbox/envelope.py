"""An event as its readers get it: CloudEvents 1.0, as an entry of a stream and as JSON."""

from collections.abc import Mapping
from typing import Any

import msgspec

SOURCE = "/waybill"
"""CloudEvents `source`; with the event's id it names an event for ever."""


def cloud_event(row: Mapping[str, Any]) -> dict[str, str]:
    """The CloudEvents 1.0 attributes of a sequenced row of `outbox`, as a flat map of text; `data` is JSON."""
    fields = {
        "specversion": "1.0",
        "id": str(row["event_id"]),
        "source": SOURCE,
        "type": row["type"],
        "subject": str(row["subject"]),
        "time": row["recorded_at"].isoformat().replace("+00:00", "Z"),
        "datacontenttype": "application/json",
        "sequence": str(row["position"]),
        "partitionkey": str(row["subject"]),
    }
    if row["traceparent"]:
        fields["traceparent"] = row["traceparent"]
    fields["data"] = row["data"]
    return fields


def structured_event(row: Mapping[str, Any]) -> dict[str, Any]:
    """The same as one JSON object, in which `data` is JSON too."""
    event = cloud_event(row)
    return {**event, "data": msgspec.Raw(event["data"].encode())}
