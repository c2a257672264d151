"""The OpenAPI document, made from the table of actions, the params schemas and the table of statuses."""

from collections.abc import Mapping, Sequence

import orjson
from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin

from service import __version__
from service.api.action import Action
from service.api.openapi.envelopes import envelopes
from service.api.openapi.operations import BEARER, operation
from service.api.openapi.params import for_generators, params_schema
from service.api.openapi.probes import PROBES, probes
from service.api.openapi.records import RECORDS
from service.api.openapi.responses import HEADERS, outcomes
from service.domain.params import ParamsSchema

_ABOUT = """\
Records that one thing requires another.

Every answer under `/api` is one JSON object. Its `status` says what happened; each status has the same HTTP code
everywhere. A path or method that is not in this document is answered with `route-non-existent` (500). A request that
is not well-formed HTTP is answered with a bare 400.
"""

_INFO = {
    "description": _ABOUT,
    "license": {"name": "MIT", "identifier": "MIT"},
    "contact": {"name": "The operators of this service. Tell them the request_id of the answer."},
}
# Relative: the document cannot know the address under which a gateway publishes it.
_SERVERS = [{"url": "/", "description": "The server that this document comes from"}]


def render_document(actions: Sequence[Action], schemas: Mapping[str, ParamsSchema]) -> bytes:
    """The document in JSON. `schemas` are the params schemas, by the name of their action."""
    plugin = MarshmallowPlugin()
    spec = APISpec("Requirements service", __version__, "3.1.0", plugins=[plugin], info=_INFO, servers=_SERVERS)
    params = {action.params_component: params_schema(plugin.converter, schemas[action.name]) for action in actions}
    for name, schema in {**params, **RECORDS, **outcomes(actions), **envelopes(actions), **PROBES}.items():
        spec.components.schema(name, schema)
    for name, header in HEADERS.items():
        spec.components.header(name, header)
    spec.components.security_scheme("bearer", BEARER)
    paths = {
        action.path: {method.lower(): operation(action, method) for method in action.methods} for action in actions
    }
    for path, operations in {**paths, **probes()}.items():
        spec.path(path, operations=operations)
    document = spec.to_dict()
    document["components"]["schemas"] = for_generators(document["components"]["schemas"])
    return orjson.dumps(document)
