"""The statuses of the API, by the stage of a request that answers with them.

A status is a class: its name and HTTP code, and as docstring the sentence that a caller reads. The table at the
end is what the envelope, the OpenAPI document and the tests go by. Names and codes are the published API's.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar, Literal

Outcome = Literal["created", "replayed", "none", "unknown"]


@dataclass(frozen=True, slots=True)
class ParamError:
    """One param at fault: its dotted path, and a sentence on what is wrong with it."""

    param: str
    message: str


class Status:
    """What an answer is called, the HTTP code it has everywhere, and what one answer tells.

    `data` is the record, `views` holds `session` and `application` where they are shown, `errors` the params at
    fault, and `outcome` what became of the write.
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
        """The sentence for a person."""
        return " ".join((cls.__doc__ or "").split())


class ActionSuccessful(Status):
    """The requirement is recorded."""

    name = "action-successful"
    http_code = 200


class Refusal(Status, Exception):
    """An answer other than success. Its cause, where there is one, is logged and never told."""


# Finding out what is asked for


class RouteNonExistent(Refusal):
    """There is no such path, or it does not take this method."""

    name = "route-non-existent"
    http_code = 500


class InvalidContentType(Refusal):
    """Send params as application/json, or base64 encoded as text/plain, in UTF-8 and without Content-Encoding."""

    name = "invalid-content-type"
    http_code = 400


class InvalidEncodedParams(Refusal):
    """The body could not be decoded: expected one JSON object, base64 encoded where the route asks for it."""

    name = "invalid-encoded-params"
    http_code = 400


class NoParamsDecoded(Refusal):
    """The body was decoded and holds no params."""

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


# Finding out who asks


class InvalidToken(Refusal):
    """The token is not one of a live application or session."""

    name = "invalid-token"
    http_code = 401


class SessionExpired(Refusal):
    """The session is over seven days old or was unused for over 72 hours: please sign in again."""

    name = "session-expired"
    http_code = 401


class ClientRequired(Refusal):
    """The user has no role yet: register as a client first."""

    name = "client-required"
    http_code = 401


# Judging what is asked


class MissingParam(Refusal):
    """A required param is missing."""

    name = "missing-param"
    http_code = 400


class InvalidParam(Refusal):
    """A param is invalid."""

    name = "invalid-param"
    http_code = 400


# Doing it


class ApplicationCrash(Refusal):
    """Something went wrong on our side. Please try again later."""

    name = "application-crash"
    http_code = 500


class Overloaded(ApplicationCrash):
    """More requests are waiting than can be served. Please try again later."""


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
