"""The application: its limits, middlewares, resources and URL table, from top to bottom."""

from aiohttp import web

from service import keys
from service.config import Config
from service.envelope import CREATE_PATH
from service.handlers import docs, health, requirements
from service.handlers.elsewhere import Elsewhere
from service.handlers.expectations import invite_body
from service.lifespan import lifespan, stop_dispatching
from service.metrics.recorded import Metrics
from service.middlewares import OUTER, guarded
from service.observability.requests import RequestLog, log_by_structlog
from service.openapi import render_document
from service.params import CreateParamsReader


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
    app[keys.METRICS].expect_faults(CREATE_PATH)
    app[keys.REQUEST_LOG] = log_request
    app.cleanup_ctx.append(lifespan)
    app.on_shutdown.append(stop_dispatching)

    app.router.add_get("/ping", health.ping, expect_handler=invite_body)
    app.router.add_get("/ready", health.ready, expect_handler=invite_body)
    app.add_routes(docs.routes(render_document(app[keys.CREATE_PARAMS].schema)))

    create = guarded(requirements.create)
    app.router.add_post(CREATE_PATH, create, expect_handler=invite_body)
    app.router.register_resource(Elsewhere())
    return app
