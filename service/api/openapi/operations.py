"""The operation of an action."""

import base64
import json

from service.api.action import Action
from service.api.middlewares.content_type import BASE64_JSON, JSON
from service.api.middlewares.request_context import REQUEST_ID_HEADER
from service.api.openapi.examples import TOKEN_PLACEHOLDER
from service.api.openapi.records import JSONSchema, ref
from service.api.openapi.responses import responses
from service.api.read_after import READ_AFTER_HEADER
from service.domain import idempotency
from service.domain.filter_params import MAX_CURSOR_LENGTH

BEARER: JSONSchema = {
    "type": "http",
    "scheme": "bearer",
    "description": "The token of an application or a session, for requests whose body has no `token` at all.",
}

_REQUEST_ID: JSONSchema = {
    "in": "header",
    "name": REQUEST_ID_HEADER,
    "description": "An id for this request, chosen by the caller: 1 to 128 of `A-Z a-z 0-9 . _ -`. "
    "Anything else is replaced by a new id.",
    "schema": {"type": "string"},
}

_IDEMPOTENCY_KEY: JSONSchema = {
    "in": "header",
    "name": idempotency.HEADER,
    "description": "Makes a retry safe: the same key with the same params returns the first record; with other params "
    "it is `invalid-param`. Keys belong to the application or to the user, and are kept as long as the requirement.",
    "schema": {
        "type": "string",
        "minLength": 1,
        "maxLength": idempotency.MAX_LENGTH,
        # HTTP removes the spaces at both ends of a header's value.
        "pattern": "^[!-~]([ -~]*[!-~])?$",
    },
}

_READ_AFTER: JSONSchema = {
    "in": "header",
    "name": str(READ_AFTER_HEADER),
    "description": "A `next` or `cursor` of the change feed: a replica answers only if it has every change up to it.",
    "schema": {"type": "string", "minLength": 1, "maxLength": MAX_CURSOR_LENGTH, "pattern": "^[A-Za-z0-9_-]+$"},
}


def operation(action: Action, method: str) -> JSONSchema:
    """The operation of `action` for one of its methods."""
    suffix = "" if method == action.methods[0] else method.title()
    return {
        "operationId": f"{action.operation_id}{suffix}",
        "summary": action.summary,
        "description": action.description,
        "tags": ["requirements"],
        "security": [{"bearer": []}, {}],
        "parameters": [*_own_headers(action), _REQUEST_ID],
        "requestBody": {"required": True, "content": {JSON: _plain(action), BASE64_JSON: _encoded(action)}},
        "responses": responses(action, _repeat(action) if action.writes else {}),
    }


def _own_headers(action: Action) -> list[JSONSchema]:
    return ([_IDEMPOTENCY_KEY] if action.writes else []) + ([_READ_AFTER] if action.reads_replicas else [])


def _repeat(action: Action) -> JSONSchema:
    """The link by which a client, or a fuzzer, repeats a request."""
    return {
        "repeat": {
            "operationId": action.operation_id,
            "description": "The same request with the same Idempotency-Key returns the same record.",
            "parameters": {f"header.{idempotency.HEADER}": f"$request.header.{idempotency.HEADER}"},
            "requestBody": "$request.body",
        }
    }


def _plain(action: Action) -> JSONSchema:
    return {
        "schema": ref(action.params_component),
        "examples": {
            "token-in-body": {
                "summary": "With the token in the body: replace the placeholder",
                "value": {"token": TOKEN_PLACEHOLDER, **action.example},
            },
            "token-in-header": {"summary": "With the token in the Authorization header", "value": action.example},
        },
    }


def _encoded(action: Action) -> JSONSchema:
    schema = {
        "type": "string",
        "description": "The JSON object in base64: standard alphabet, padded, without line breaks. "
        "Routes with sensitive params accept nothing else.",
        "contentEncoding": "base64",
        "contentMediaType": JSON,
        "contentSchema": ref(action.params_component),
        "examples": [base64.b64encode(json.dumps(action.example).encode()).decode()],
    }
    return {"schema": schema}
