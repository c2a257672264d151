"""The operation that creates a requirement, as the document tells it."""

import base64
import json

from service.api.handlers.requirements.create import MAX_IDEMPOTENCY_KEY_LENGTH
from service.api.middlewares.content_type import ENCODED, PLAIN
from service.api.middlewares.request_context import REQUEST_ID_HEADER
from service.api.openapi.examples import PARAMS, TOKEN_PLACEHOLDER
from service.api.openapi.records import JSONSchema, ref
from service.api.openapi.responses import responses
from service.api.requirement_writer import IDEMPOTENCY_KEY

OPERATION_ID = "createRequirement"

BEARER: JSONSchema = {
    "type": "http",
    "scheme": "bearer",
    "description": "The token of an application or a session, for requests whose body has no `token` at all.",
}


def operation() -> JSONSchema:
    """POST on the create path."""
    return {
        "operationId": OPERATION_ID,
        "summary": "Create a requirement",
        "description": "Records that one thing (`requireable`) requires another (`required`). "
        "`action-successful` is answered only once the requirement is committed.",
        "tags": ["requirements"],
        "security": [{"bearer": []}, {}],
        "parameters": [_IDEMPOTENCY_KEY, _REQUEST_ID],
        "requestBody": {"required": True, "content": {PLAIN: _plain(), ENCODED: _encoded()}},
        "responses": responses(_REPEATED),
    }


_IDEMPOTENCY_KEY: JSONSchema = {
    "in": "header",
    "name": IDEMPOTENCY_KEY,
    "description": "Makes a retry safe: the same key with the same params returns the first record, with other params "
    "it is `invalid-param`. It is the application's or the user's own, and is remembered as long as the requirement.",
    "schema": {
        "type": "string",
        "minLength": 1,
        "maxLength": MAX_IDEMPOTENCY_KEY_LENGTH,
        # HTTP takes the spaces off both ends of a header's value.
        "pattern": "^[!-~]([ -~]*[!-~])?$",
    },
}

# What a client does after an answer that it did not get, and a fuzzer after one that it did.
_REPEATED: JSONSchema = {
    "repeat": {
        "operationId": OPERATION_ID,
        "description": "The same request with the same Idempotency-Key is answered with the same record.",
        "parameters": {f"header.{IDEMPOTENCY_KEY}": f"$request.header.{IDEMPOTENCY_KEY}"},
        "requestBody": "$request.body",
    }
}

_REQUEST_ID: JSONSchema = {
    "in": "header",
    "name": REQUEST_ID_HEADER,
    "description": "An id of the caller's for this request: 1 to 128 of `A-Z a-z 0-9 . _ -`. "
    "Anything else is replaced by a new one.",
    "schema": {"type": "string"},
}


def _plain() -> JSONSchema:
    return {
        "schema": ref("CreateRequirement"),
        "examples": {
            "token-in-body": {
                "summary": "With the token in the body: replace the placeholder",
                "value": {"token": TOKEN_PLACEHOLDER, **PARAMS},
            },
            "token-in-header": {"summary": "With the token in the Authorization header", "value": PARAMS},
        },
    }


def _encoded() -> JSONSchema:
    schema = {
        "type": "string",
        "description": "The JSON object in base64: the standard alphabet, padded, without line breaks. "
        "Routes with sensitive params take nothing else.",
        "contentEncoding": "base64",
        "contentMediaType": PLAIN,
        "contentSchema": ref("CreateRequirement"),
        "examples": [base64.b64encode(json.dumps(PARAMS).encode()).decode()],
    }
    return {"schema": schema}
