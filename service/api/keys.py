"""Everything that is kept in an app, a request or a response, with its type."""

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from service.api.authenticator import Authenticator
from service.api.crash_notifier import CrashNotifier
from service.api.readiness import Readiness
from service.api.requirement_writer import RequirementWriter
from service.api.route_registry import RouteRegistry
from service.config import Config
from service.domain.callers import Caller
from service.domain.params import CreateParamsReader
from service.domain.statuses import Status
from service.mail.dispatcher import Dispatcher
from service.mail.sender import EmailSender
from service.metrics.definitions import Metrics
from service.observability.requests import RequestLog
from service.storage.registry import Route

CONFIG = web.AppKey("config", Config)
REGISTRY = web.AppKey("registry", RouteRegistry)
AUTHENTICATOR = web.AppKey("authenticator", Authenticator)
RECORDER = web.AppKey("recorder", RequirementWriter)
COURIER = web.AppKey("courier", EmailSender)  # this and the dispatcher only where e-mails are sent
DISPATCHER = web.AppKey("dispatcher", Dispatcher)
CRASH_NOTIFIER = web.AppKey("crash_notifier", CrashNotifier)
CREATE_PARAMS = web.AppKey("create_params", CreateParamsReader)
HEALTH = web.AppKey("health", Readiness)
METRICS = web.AppKey("metrics", Metrics)
REQUEST_LOG = web.AppKey("request_log", RequestLog)


REQUEST_ID = web.RequestKey("request_id", str)
DEADLINE = web.RequestKey("deadline", float)  # seconds on the event loop's clock
PARAMS = web.RequestKey("params", Mapping[str, Any])
ENCODED = web.RequestKey("encoded", bool)  # whether the params came base64 encoded
ROUTE = web.RequestKey("route", Route)
TOKEN = web.RequestKey("token", str)
TOKEN_DIGEST = web.RequestKey("token_digest", bytes)
CALLER = web.RequestKey("caller", Caller)

STATUS = web.ResponseKey("status", Status)
