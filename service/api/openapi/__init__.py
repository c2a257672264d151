"""The OpenAPI document, made from the schemas and the statuses that the service itself goes by."""

import orjson
from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from marshmallow import Schema

from service import __version__
from service.api.envelope import CREATE_PATH
from service.api.openapi.create import BEARER, operation
from service.api.openapi.envelopes import envelopes
from service.api.openapi.params import params_schema
from service.api.openapi.probes import probes
from service.api.openapi.records import RECORDS
from service.api.openapi.responses import HEADERS

_ABOUT = """\
Records that one thing requires another.

Every answer under `/api` is one JSON object whose `status` says what happened; one status has one HTTP code,
everywhere. Any path or method that is not in this document is answered with `route-non-existent` (500), and what is
not well-formed HTTP with a bare 400.
"""


def render_document(create_schema: Schema) -> bytes:
    """The document as JSON, with `create_schema` for the params of a create."""
    return orjson.dumps(_build(create_schema).to_dict())


def _build(create_schema: Schema) -> APISpec:
    plugin = MarshmallowPlugin()
    about = {"description": _ABOUT}
    spec = APISpec("Requirements service", __version__, "3.1.0", plugins=[plugin], info=about)
    params = params_schema(plugin.converter, create_schema)
    for name, schema in {"CreateRequirement": params, **RECORDS, **envelopes()}.items():
        spec.components.schema(name, schema)
    for name, header in HEADERS.items():
        spec.components.header(name, header)
    spec.components.security_scheme("bearer", BEARER)
    for path, operations in {CREATE_PATH: {"post": operation()}, **probes()}.items():
        spec.path(path, operations=operations)
    return spec
