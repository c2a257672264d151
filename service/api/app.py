"""The public application: its limits, middlewares, resources and URL table, from top to bottom."""

from collections.abc import Sequence
from functools import partial

from aiohttp import web

from service.api import keys
from service.api.action import Action
from service.api.actions import ACTIONS
from service.api.aiohttp_internals import CatchAllResource, handle_expect
from service.api.cursors import Cursors
from service.api.handlers import docs, health
from service.api.handlers.not_found import not_found
from service.api.lifespan import lifespan, stop_dispatching, stop_waiting
from service.api.middlewares import OUTER, through_pipeline
from service.api.openapi import render_document
from service.api.walking import walk_turns
from service.config import Config
from service.domain.schemas import schema_of
from service.metrics.definitions import Metrics
from service.observability.request_log import RequestLog, log_by_structlog


def create_app(
    config: Config,
    metrics: Metrics | None = None,
    log_request: RequestLog = log_by_structlog,
    actions: Sequence[Action] = ACTIONS,
) -> web.Application:
    """An independent application that answers `actions`. Its resources open on start-up and close on clean-up.

    `metrics` defaults to a new instance; `log_request` is called once per request.
    """
    app = web.Application(middlewares=OUTER, client_max_size=config.server.max_body_bytes)
    app[keys.CONFIG] = config
    app[keys.ACTIONS] = {(method, action.path): action for action in actions for method in action.methods}
    schemas = {action.name: schema_of(action.params, tuple(config.associations)) for action in actions}
    app[keys.PARAMS_SCHEMAS] = schemas
    app[keys.CURSORS] = Cursors()
    app[keys.WALKS] = walk_turns(config.database.read_pool_size)
    app[keys.METRICS] = metrics or Metrics()
    app[keys.REQUEST_LOG] = log_request
    app.cleanup_ctx.append(lifespan)
    app.on_shutdown.append(stop_dispatching)
    app.on_shutdown.append(stop_waiting)

    app.router.add_get("/ping", health.ping, expect_handler=handle_expect)
    app.router.add_get("/ready", health.ready, expect_handler=handle_expect)
    app.add_routes(docs.routes(partial(render_document, actions, schemas)))
    for (method, path), action in app[keys.ACTIONS].items():
        app[keys.METRICS].predeclare_errors(path, action.own_errors)
        app.router.add_route(method, path, through_pipeline(action), expect_handler=handle_expect)
    app.router.register_resource(CatchAllResource(not_found))
    return app
