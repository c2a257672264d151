"""The OpenAPI document, made from the table of actions, the params schemas and the table of statuses."""

from collections.abc import Mapping, Sequence

import orjson
from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from marshmallow import Schema

from service import __version__
from service.api.action import Action
from service.api.openapi.envelopes import envelopes
from service.api.openapi.operations import BEARER, operation
from service.api.openapi.params import params_schema
from service.api.openapi.probes import probes
from service.api.openapi.records import RECORDS
from service.api.openapi.responses import HEADERS

_ABOUT = """\
Records that one thing requires another.

Every answer under `/api` is one JSON object. Its `status` says what happened; each status has the same HTTP code
everywhere. A path or method that is not in this document is answered with `route-non-existent` (500). A request that
is not well-formed HTTP is answered with a bare 400.
"""


def render_document(actions: Sequence[Action], schemas: Mapping[str, Schema]) -> bytes:
    """The document in JSON. `schemas` are the params schemas, by the name of their action."""
    plugin = MarshmallowPlugin()
    info = {"description": _ABOUT}
    spec = APISpec("Requirements service", __version__, "3.1.0", plugins=[plugin], info=info)
    params = {action.params_component: params_schema(plugin.converter, schemas[action.name]) for action in actions}
    for name, schema in {**params, **RECORDS, **envelopes(actions)}.items():
        spec.components.schema(name, schema)
    for name, header in HEADERS.items():
        spec.components.header(name, header)
    spec.components.security_scheme("bearer", BEARER)
    paths = {
        action.path: {method.lower(): operation(action, method) for method in action.methods} for action in actions
    }
    for path, operations in {**paths, **probes()}.items():
        spec.path(path, operations=operations)
    return orjson.dumps(spec.to_dict())
