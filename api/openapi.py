"""The API's description: Litestar's own, with what it cannot know of errors, credentials and the upload form."""

from collections.abc import Iterable
from typing import Any

import msgspec
from litestar import Litestar, Request, Response, Router
from litestar.exceptions import NotFoundException
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.routes import HTTPRoute

from api.auth import PUBLIC
from api.commands import CHANGING
from api.docs.examples import ID, add_examples
from api.docs.tags import tag, tags
from api.limits import SHARE_PASSWORD_HEADER
from api.paging import LAST_POSITION
from api.problems import HTTP_SLUGS, MEDIA_TYPE
from api.requests import FilePart, FormFields

RAW_BODY = {"raw_body": True}
"""`opt` of routes whose body is a file, and nothing but a file."""
BEGIN = """\
Open an account (`POST /v1/accounts`), log in (`POST /v1/sessions`), and give the `access_token` to *Authorize*. Every
error is a problem as in RFC 9457, with the `request_id` that is in our log too. What happens is told by
[events](/asyncapi).
"""
BEARER = {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "PASETO v4.local, or v4.public of a service"}}
PROBLEM = {
    "type": "object",
    "description": "RFC 9457",
    "required": ["type", "title", "status", "detail", "instance", "request_id"],
    "properties": {
        **{name: {"type": "string", "format": "uri-reference"} for name in ("type", "instance")},
        **{name: {"type": "string"} for name in ("title", "detail", "request_id")},
        "status": {"type": "integer"},
        "errors": {
            "type": "array",
            "description": "With status 422: what is wrong with which field",
            "items": {
                "type": "object",
                "required": ["field", "message"],
                "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
            },
        },
    },
}
IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "The same key and body get the first answer again, with `Idempotent-Replayed: true`",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
}


PUT_HEADERS = [
    {"name": name, "in": "header", "description": description, "schema": schema}
    for name, description, schema in (
        ("Repr-Digest", "As in RFC 9530; it is checked", {"type": "string", "examples": ["sha-256=:…:"]}),
        (
            "Expires-In",
            "Shares the file at once, and ends both after so many seconds",
            {"type": "integer", "minimum": 1},
        ),
        ("Max-Downloads", "Shares the file at once, for so many downloads", {"type": "integer", "minimum": 1}),
        ("Share-Password", "Shares the file at once, with this password", {"type": "string", "minLength": 1}),
    )
]


class _Described(JsonRenderPlugin):
    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        return self.render_json(request, described(request.app, openapi_schema))


def described(app: Litestar, schema: dict[str, Any]) -> dict[str, Any]:
    """The whole description; changes what it is given, and nothing when given it again."""
    components = schema.setdefault("components", {})
    components["securitySchemes"] = BEARER
    components.setdefault("schemas", {})["Problem"] = PROBLEM
    operations = list(_operations(app, schema))
    schema["tags"] = tags(handler for _, handler, _ in operations)
    for operation, handler, method in operations:
        operation["tags"] = [tag(handler)]
        _describe(operation, handler.opt, method)
        _mend(operation)
        _refuse_unknown_fields(operation, components["schemas"])
        if (field := handler.parsed_data_field) is not None:
            operation["requestBody"]["required"] = field.is_required
        if handler.opt.get("raw_body"):
            _describe_put(operation)
        elif handler.opt.get("streamed"):
            _describe_form(operation, components["schemas"])
        add_examples(operation, components["schemas"])
    return schema


def _operations(app: Litestar, schema: dict[str, Any]) -> Iterable[tuple[dict[str, Any], Any, str]]:
    for route in app.routes:
        if isinstance(route, HTTPRoute) and route.path_format in schema["paths"]:
            for method, (handler, _) in route.route_handler_map.items():
                if operation := schema["paths"][route.path_format].get(method.lower()):
                    yield operation, handler, method


def _describe(operation: dict[str, Any], opt: dict[str, Any], method: str) -> None:
    public = bool(opt.get("exclude_from_auth"))
    operation["security"] = [] if public else [{"bearer": []}]
    given = operation.setdefault("parameters", [])
    if method in CHANGING and IDEMPOTENCY_KEY not in given:
        given.append(IDEMPOTENCY_KEY)
    places, names = {each["in"] for each in given}, {each.get("name") for each in given}
    asks = not public or method in CHANGING or SHARE_PASSWORD_HEADER in names
    statuses = {400, 500, 503} | ({401} if asks else set())
    statuses |= {403} if not public else set()
    statuses |= {404, 409, 410} if "path" in places else set()
    statuses |= {422} if places & {"query", "header"} else set()
    statuses |= {409, 413} if method in CHANGING else set()
    statuses |= {412} if "If-Match" in names else set()
    statuses |= {413, 415, 422} if "requestBody" in operation or opt.get("streamed") else set()
    statuses |= {429} if opt.get("limits") else set()
    statuses |= set(opt.get("refusals", ()))
    operation["responses"] |= {str(status): _problem(status) for status in sorted(statuses)}


def _mend(operation: dict[str, Any]) -> None:
    """What Litestar says and does not mean: a parameter that is null, none below 0, and a body of no content."""
    for parameter in operation["parameters"]:
        schema = parameter["schema"]
        if branches := [each for each in schema.get("oneOf", ()) if each != {"type": "null"}]:
            del schema["oneOf"]
            schema |= branches[0] if len(branches) == 1 else {"oneOf": branches}
        if schema.get("maximum") == LAST_POSITION:
            schema.setdefault("minimum", 0)
    operation["responses"].get("204", {}).pop("content", None)


def _problem(status: int) -> dict[str, Any]:
    slug, title = HTTP_SLUGS[status]
    problem = {
        "type": f"/problems/{slug}",
        "title": title,
        "status": status,
        "detail": title,
        "instance": "/v1/files",
        "request_id": ID,
    }
    if status == 422:  # noqa: PLR2004
        problem["errors"] = [{"field": "name", "message": "Expected `str` of length >= 1"}]
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}, "example": problem}}
    return {"description": title, "content": content}


def _refuse_unknown_fields(operation: dict[str, Any], schemas: dict[str, Any]) -> None:
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    if name := body.get("$ref", "").rpartition("/")[2]:
        schemas[name]["additionalProperties"] = False
        schemas[name].pop("default", None)  # of a body that may be left out; it is no JSON


def _describe_form(operation: dict[str, Any], schemas: dict[str, Any]) -> None:
    """The fields of a form; the file's part brings its own name and type."""
    (_, found) = msgspec.json.schema_components([FormFields], ref_template="#/components/schemas/{name}")
    fields = {
        name: each for name, each in found["FormFields"]["properties"].items() if name not in FilePart.__struct_fields__
    }
    schemas["UploadForm"] = {
        "type": "object",
        "required": ["file"],
        "properties": {"file": {"type": "string", "format": "binary"}, **fields},
        "additionalProperties": False,
    }
    encoding = {"metadata": {"contentType": "application/json"}}
    form = {"schema": {"$ref": "#/components/schemas/UploadForm"}, "encoding": encoding}
    operation["requestBody"] = {"required": True, "content": {"multipart/form-data": form}}


def _describe_put(operation: dict[str, Any]) -> None:
    schema = {"schema": {"type": "string", "format": "binary"}}
    operation["requestBody"] = {"required": True, "content": {"*/*": schema}}
    given = {each["name"]: each for each in operation["parameters"]}
    operation["parameters"] += [each for each in PUT_HEADERS if each["name"] not in given]
    if "name" in given:
        given["name"]["schema"] = {"type": "string"}
    operation["responses"]["202"]["content"] = {
        "application/json": {"schema": {"$ref": "#/components/schemas/FileView"}},
        "text/plain": {"schema": {"type": "string", "format": "uri"}},
    }


def _no_page(response: Response[Any]) -> Response[Any]:
    """Litestar answers unknown paths under /schema with a page of HTML."""
    if response.status_code == 404:  # noqa: PLR2004
        raise NotFoundException
    return response


OPENAPI = OpenAPIConfig(
    title="Waybill",
    version="1",
    description=BEGIN,
    render_plugins=[_Described(path="/openapi.json")],
    openapi_router=Router("/schema", route_handlers=[], opt=PUBLIC, after_request=_no_page, include_in_schema=False),
)
