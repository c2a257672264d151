"""The statuses of the API, in the order of the stages of a request.

A status is a class: its name, its HTTP code, and, as its docstring, the message to the caller. The envelope, the
OpenAPI document and the tests are made from the table at the end. Names and codes are those of the published API.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar, Literal

# The effect of a call on the tables, as the Requirement-Outcome header reports it.
Outcome = Literal["created", "updated", "destroyed", "replayed", "mixed", "none", "unknown"]


@dataclass(frozen=True, slots=True)
class ParamError:
    """One invalid or missing param: its dotted path, and what is wrong with it."""

    param: str
    message: str


class Status:
    """One answer: a status with its HTTP code and its contents.

    `errors` are the params at fault. `data` is the result of the action. `views` holds `session` and `application`
    where they are returned.
    """

    name: ClassVar[str]
    http_code: ClassVar[int]

    def __init__(
        self,
        *errors: ParamError,
        data: Mapping[str, Any] | None = None,
        views: Mapping[str, Any] | None = None,
        outcome: Outcome = "none",
    ) -> None:
        super().__init__()
        self.errors = errors
        self.data = data
        self.views = views or {}
        self.outcome = outcome

    @classmethod
    @cache
    def message(cls) -> str:
        """The message to the caller."""
        return " ".join((cls.__doc__ or "").split())


class ActionSuccessful(Status):
    """The action was carried out."""

    name = "action-successful"
    http_code = 200


class Refusal(Status, Exception):
    """An answer other than success. Its `__cause__`, if any, is logged and never shown to the caller."""


# Decoding the request and identifying its route


class RouteNonExistent(Refusal):
    """There is no such path, or it does not accept this method."""

    name = "route-non-existent"
    http_code = 500


class InvalidContentType(Refusal):
    """Send params as application/json, or base64 encoded as text/plain, in UTF-8 and without Content-Encoding."""

    name = "invalid-content-type"
    http_code = 400


class InvalidEncodedParams(Refusal):
    """The body could not be decoded. Send one JSON object, base64 encoded if the route requires it."""

    name = "invalid-encoded-params"
    http_code = 400


class NoParamsDecoded(Refusal):
    """The body was decoded, but it contains no params."""

    name = "no-params-decoded"
    http_code = 400


class IdentifyRequestError(Refusal):
    """Something went wrong on our side before the route could be identified. Please try again later."""

    name = "identify-request-error"
    http_code = 500


class RouteNotFound(Refusal):
    """The route has not been deployed yet."""

    name = "route-not-found"
    http_code = 404


class ServiceNotFound(Refusal):
    """The service of this route has not been deployed yet."""

    name = "service-not-found"
    http_code = 404


# Authenticating the caller


class InvalidToken(Refusal):
    """The token does not belong to an active application or session."""

    name = "invalid-token"
    http_code = 401


class SessionExpired(Refusal):
    """The session is more than seven days old or was not used for more than 72 hours. Please sign in again."""

    name = "session-expired"
    http_code = 401


class ClientRequired(Refusal):
    """The user has no role yet. Register as a client first."""

    name = "client-required"
    http_code = 401


# Validating the params


class MissingParam(Refusal):
    """A required param is missing."""

    name = "missing-param"
    http_code = 400


class InvalidParam(Refusal):
    """A param is invalid."""

    name = "invalid-param"
    http_code = 400


# Carrying out the action


class ApplicationCrash(Refusal):
    """Something went wrong on our side. Please try again later."""

    name = "application-crash"
    http_code = 500


class Overloaded(ApplicationCrash):
    """Too many requests are waiting. Please try again later."""


class MandrillEmailFailed(Refusal):
    """The requirement is recorded, but its e-mail could not be sent. The team has been notified."""

    name = "mandrill-email-failed"
    http_code = 500


STATUSES: tuple[type[Status], ...] = (
    ActionSuccessful,
    RouteNonExistent,
    InvalidContentType,
    InvalidEncodedParams,
    NoParamsDecoded,
    IdentifyRequestError,
    RouteNotFound,
    ServiceNotFound,
    InvalidToken,
    SessionExpired,
    ClientRequired,
    MissingParam,
    InvalidParam,
    ApplicationCrash,
    MandrillEmailFailed,
)
