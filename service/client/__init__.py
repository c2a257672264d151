"""A typed client of the requirements service for Python callers, on httpx (the extra `client`).

`Requirements` is the client for blocking code, `AsyncRequirements` the same for asyncio. docs/client.md describes them.
"""

import importlib.util

if importlib.util.find_spec("httpx") is None:
    raise ImportError("service.client needs httpx: pip install 'requirements-service[client]'")

from service.client.async_client import AsyncRequirements
from service.client.batch_results import BatchResult, Verdict
from service.client.errors import (
    ApplicationCrash,
    ClientRequired,
    IdentifyRequestError,
    InvalidContentType,
    InvalidEncodedParams,
    InvalidParam,
    InvalidResponse,
    InvalidToken,
    MandrillEmailFailed,
    MissingParam,
    NoParamsDecoded,
    NoResponse,
    RequirementsError,
    RouteNonExistent,
    RouteNotFound,
    ServiceNotFound,
    SessionExpired,
    StatusError,
)
from service.client.params import NOT_PASSED, NotPassed
from service.client.records import (
    Caller,
    Closure,
    CycleClosing,
    Event,
    EventsPage,
    NewRequirement,
    ParamError,
    ReachedThing,
    Reference,
    Requirement,
    RequirementsPage,
    SyncChange,
    WantedRequirement,
)
from service.client.sync_client import Requirements

__all__ = [
    "NOT_PASSED",
    "ApplicationCrash",
    "AsyncRequirements",
    "BatchResult",
    "Caller",
    "ClientRequired",
    "Closure",
    "CycleClosing",
    "Event",
    "EventsPage",
    "IdentifyRequestError",
    "InvalidContentType",
    "InvalidEncodedParams",
    "InvalidParam",
    "InvalidResponse",
    "InvalidToken",
    "MandrillEmailFailed",
    "MissingParam",
    "NewRequirement",
    "NoParamsDecoded",
    "NoResponse",
    "NotPassed",
    "ParamError",
    "ReachedThing",
    "Reference",
    "Requirement",
    "Requirements",
    "RequirementsError",
    "RequirementsPage",
    "RouteNonExistent",
    "RouteNotFound",
    "ServiceNotFound",
    "SessionExpired",
    "StatusError",
    "SyncChange",
    "Verdict",
    "WantedRequirement",
]
