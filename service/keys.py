"""Everything that is kept in an app, a request or a response, with its type."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aiohttp import web

from service.authentication import Authenticator
from service.callers import Caller
from service.config import Config
from service.database.pool import Database
from service.errors import Status
from service.health import Health
from service.logins import Login, Logins
from service.mail.courier import Courier
from service.mail.dispatcher import Dispatcher
from service.metrics.facts import FactFinder
from service.metrics.history import History
from service.metrics.recorded import Metrics
from service.notifications import CrashNotifier
from service.observability.requests import RequestLog
from service.params import CreateParamsReader
from service.recording import Recorder
from service.registry import RegistryFollower
from service.storage.registry import Route

CONFIG = web.AppKey("config", Config)
REGISTRY = web.AppKey("registry", RegistryFollower)
AUTHENTICATOR = web.AppKey("authenticator", Authenticator)
RECORDER = web.AppKey("recorder", Recorder)
COURIER = web.AppKey("courier", Courier)  # this and the dispatcher only where e-mails are sent
DISPATCHER = web.AppKey("dispatcher", Dispatcher)
CRASH_NOTIFIER = web.AppKey("crash_notifier", CrashNotifier)
CREATE_PARAMS = web.AppKey("create_params", CreateParamsReader)
HEALTH = web.AppKey("health", Health)
METRICS = web.AppKey("metrics", Metrics)
REQUEST_LOG = web.AppKey("request_log", RequestLog)

# Of the internal listener.
DATABASE = web.AppKey("database", Database)
HISTORY = web.AppKey("history", History)
FACTS = web.AppKey("facts", FactFinder)
METRICS_FOLDER = web.AppKey("metrics_folder", Path)
LOGINS = web.AppKey("logins", Logins)

REQUEST_ID = web.RequestKey("request_id", str)
DEADLINE = web.RequestKey("deadline", float)  # seconds on the event loop's clock
PARAMS = web.RequestKey("params", Mapping[str, Any])
ENCODED = web.RequestKey("encoded", bool)  # whether the params came base64 encoded
ROUTE = web.RequestKey("route", Route)
TOKEN = web.RequestKey("token", str)
TOKEN_DIGEST = web.RequestKey("token_digest", bytes)
CALLER = web.RequestKey("caller", Caller)
LOGIN = web.RequestKey("login", Login)

STATUS = web.ResponseKey("status", Status)
