"""The operations outside /api: the probes, this document, and the page that renders it."""

from service.api.middlewares.request_context import REQUEST_ID_HEADER
from service.api.openapi.records import JSONSchema, record, ref
from service.api.openapi.responses import headers

_OK: JSONSchema = {"type": "string", "const": "ok"}
_FINDING: JSONSchema = {"type": "string", "description": "ok, or a few words on what is wrong", "examples": ["ok"]}
PROBES: dict[str, JSONSchema] = {
    "Liveness": record(status=_OK),
    "Readiness": record(status={"type": "string", "enum": ["ok", "unavailable"]}, checks=ref("ReadinessChecks")),
    "ReadinessChecks": record(database=_FINDING, migrations=_FINDING, serving=_FINDING),
}
# A worker is ready without its replica.
PROBES["ReadinessChecks"]["properties"]["replica"] = {
    **_FINDING,
    "description": "ok, or not used if the primary answers all reads; present if a replica is configured",
}


def probes() -> dict[str, JSONSchema]:
    """The operations of each path, by path."""
    return {
        "/ping": _with_head("ping", "Whether the process is alive", {"200": _json("It is alive", ref("Liveness"))}),
        "/ready": _with_head("ready", "Whether this worker can serve requests", _readiness()),
        "/openapi.json": {"get": _operation("openapi", "This document", {"200": _document()})},
        "/docs": {"get": _operation("docs", "The page that renders this document", {"200": _page()})},
    }


def _with_head(name: str, summary: str, responses: JSONSchema) -> JSONSchema:
    bodiless = {code: {key: part for key, part in told.items() if key != "content"} for code, told in responses.items()}
    return {"get": _operation(name, summary, responses), "head": _operation(f"{name}Head", summary, bodiless)}


def _operation(name: str, summary: str, responses: JSONSchema) -> JSONSchema:
    return {"operationId": name, "summary": summary, "tags": ["operations"], "security": [], "responses": responses}


def _json(description: str, schema: JSONSchema) -> JSONSchema:
    named = headers(REQUEST_ID_HEADER, "Cache-Control")
    return {"description": description, "headers": named, "content": {"application/json": {"schema": schema}}}


def _readiness() -> JSONSchema:
    return {
        code: _json(description, ref("Readiness"))
        for code, description in (("200", "It can: the status is ok"), ("503", "It cannot: see checks"))
    }


def _document() -> JSONSchema:
    content = {"application/json": {"schema": {"type": "object", "additionalProperties": True}}}
    return {"description": "OpenAPI 3.1", "headers": headers(REQUEST_ID_HEADER), "content": content}


def _page() -> JSONSchema:
    content = {"text/html": {"schema": {"type": "string"}}}
    return {"description": "HTML", "headers": headers(REQUEST_ID_HEADER), "content": content}
