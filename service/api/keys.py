"""Everything that the public application keeps in the app, in a request or in a response, with its type."""

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from service.api.action import Action
from service.api.authenticator import Authenticator, UnverifiedCaller
from service.api.change_watcher import ChangeWatcher
from service.api.crash_notifier import CrashNotifier
from service.api.cursors import Cursors
from service.api.readiness import Readiness
from service.api.replica_reads import ReplicaReads
from service.api.requirement_batch_writer import RequirementBatchWriter
from service.api.requirement_changer import RequirementChanger
from service.api.requirement_writer import RequirementWriter
from service.api.route_registry import RouteRegistry
from service.api.turns import Turns
from service.config import Config
from service.database.pool import Database
from service.domain.callers import Caller
from service.domain.params import ParamsSchema
from service.domain.statuses import Status
from service.mail.dispatcher import Dispatcher
from service.mail.sender import EmailSender
from service.metrics.definitions import Metrics
from service.observability.request_log import RequestLog
from service.storage.registry import Route

CONFIG = web.AppKey("config", Config)
ACTIONS = web.AppKey("actions", Mapping[tuple[str, str], Action])  # by method and path
PARAMS_SCHEMAS = web.AppKey("params_schemas", Mapping[str, ParamsSchema])  # by the name of the action
REGISTRY = web.AppKey("registry", RouteRegistry)
AUTHENTICATOR = web.AppKey("authenticator", Authenticator)
WRITER = web.AppKey("writer", RequirementWriter)
CHANGER = web.AppKey("changer", RequirementChanger)
BATCH_WRITER = web.AppKey("batch_writer", RequirementBatchWriter)
READ_DATABASE = web.AppKey("read_database", Database)  # the pool for reads, without the planner settings of the writes
REPLICA_READS = web.AppKey("replica_reads", ReplicaReads)  # only with database.replica_url
WALKS = web.AppKey("walks", Turns)  # of the walks through the graph
CHANGE_WATCHER = web.AppKey("change_watcher", ChangeWatcher)
CURSORS = web.AppKey("cursors", Cursors)
EMAIL_SENDER = web.AppKey("email_sender", EmailSender)  # this and the dispatcher only if e-mails are sent
DISPATCHER = web.AppKey("dispatcher", Dispatcher)
CRASH_NOTIFIER = web.AppKey("crash_notifier", CrashNotifier)
READINESS = web.AppKey("readiness", Readiness)
METRICS = web.AppKey("metrics", Metrics)
REQUEST_LOG = web.AppKey("request_log", RequestLog)

REQUEST_ID = web.RequestKey("request_id", str)
DEADLINE = web.RequestKey("deadline", float)  # seconds on the event loop's clock
WAITED = web.RequestKey("waited", float)  # seconds that the call has waited for a change, if it has
ACTION = web.RequestKey("action", Action)
PARAMS = web.RequestKey("params", Mapping[str, Any])
ENCODED = web.RequestKey("encoded", bool)  # whether the params were sent base64 encoded
ROUTE = web.RequestKey("route", Route)
TOKEN = web.RequestKey("token", str)
UNVERIFIED_CALLER = web.RequestKey("unverified_caller", UnverifiedCaller)  # of statement_judges_token
CALLER = web.RequestKey("caller", Caller)  # for all other actions
ON_REPLICA = web.RequestKey("on_replica", bool)  # if the replica has accepted the token, and is to answer

STATUS = web.ResponseKey("status", Status)
