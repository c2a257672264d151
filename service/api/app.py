"""The application: its limits, middlewares, resources and URL table, from top to bottom."""

from aiohttp import web

from service.api import keys
from service.api.envelope import CREATE_PATH
from service.api.handlers import docs, health
from service.api.handlers.expect_continue import invite_body
from service.api.handlers.not_found import NotFoundResource
from service.api.handlers.requirements.create import create
from service.api.lifespan import lifespan, stop_dispatching
from service.api.middlewares import OUTER, guarded
from service.api.openapi import render_document
from service.config import Config
from service.domain.params import CreateParamsReader
from service.metrics.definitions import Metrics
from service.observability.requests import RequestLog, log_by_structlog


def create_app(
    config: Config, metrics: Metrics | None = None, log_request: RequestLog = log_by_structlog
) -> web.Application:
    """The service as one independent application. What it needs is opened when it starts, closed when it ends.

    It measures into `metrics`, or into some of its own, and tells `log_request` of each request.
    """
    app = web.Application(middlewares=OUTER, client_max_size=config.server.max_body_bytes)
    app[keys.CONFIG] = config
    app[keys.CREATE_PARAMS] = CreateParamsReader(config.associations)
    app[keys.METRICS] = metrics or Metrics()
    app[keys.METRICS].predeclare_errors(CREATE_PATH, ("none", "unknown"))
    app[keys.REQUEST_LOG] = log_request
    app.cleanup_ctx.append(lifespan)
    app.on_shutdown.append(stop_dispatching)

    app.router.add_get("/ping", health.ping, expect_handler=invite_body)
    app.router.add_get("/ready", health.ready, expect_handler=invite_body)
    app.add_routes(docs.routes(render_document(app[keys.CREATE_PARAMS].schema)))

    app.router.add_post(CREATE_PATH, guarded(create), expect_handler=invite_body)
    app.router.register_resource(NotFoundResource())
    return app
