"""What the API says of itself."""

import json
from functools import cache
from typing import Any

from api.app import create_app
from api.openapi import described
from infra.paserk import new_local, new_secret
from infra.settings import Settings


@cache
def description() -> dict[str, Any]:
    """The OpenAPI document as clients get it, made without Postgres, Redis or S3; not to be changed."""
    app = create_app(Settings(local_key=new_local(), secret_key=new_secret()))
    document: dict[str, Any] = json.loads(json.dumps(described(app, app.openapi_schema.to_schema())))
    return document
