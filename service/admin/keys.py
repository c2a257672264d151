"""The typed keys of the internal listener's application and of its requests."""

from pathlib import Path

from aiohttp import web

from service.admin.logins import Login, Logins
from service.config import Config
from service.database.pool import Database
from service.metrics.database_stats import DatabaseStats
from service.metrics.history import History
from service.storage.registry import RouteName

CONFIG = web.AppKey("config", Config)
DATABASE = web.AppKey("database", Database)
HISTORY = web.AppKey("history", History)
DATABASE_STATS = web.AppKey("database_stats", DatabaseStats)
METRICS_FOLDER = web.AppKey("metrics_folder", Path)
ROUTES = web.AppKey("routes", frozenset[RouteName])
LOGINS = web.AppKey("logins", Logins)

REQUEST_ID = web.RequestKey("request_id", str)
LOGIN = web.RequestKey("login", Login)
