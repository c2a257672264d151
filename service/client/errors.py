"""The exceptions of the client: one class for each status, and two for calls without a response of the service."""

from typing import ClassVar

from service.client.records import ParamError, Requirement


class RequirementsError(Exception):
    """A call that failed.

    `status` is the status of the response, None if there was none of the service. `errors` are the params at fault.
    `request_id` is in the service's log. `outcome` is what all attempts of the call did together: `none`, or `unknown`
    if one of them may have written; for `mandrill-email-failed` it is `created`.
    """

    status: ClassVar[str | None] = None

    def __init__(
        self, message: str, errors: tuple[ParamError, ...] = (), request_id: str = "", outcome: str = "none"
    ) -> None:
        super().__init__(message, errors, request_id, outcome)
        self.message = message
        self.errors = errors
        self.request_id = request_id
        self.outcome = outcome
        self.requirement: Requirement | None = None
        self.retry_after_seconds = 0.0
        self.is_transient = False

    def __str__(self) -> str:
        causes = "".join(f" {error.param} {error.message}." for error in self.errors)
        status = f"{self.status}: " if self.status else ""
        return f"{status}{self.message}{causes} (outcome {self.outcome}, request {self.request_id})"


class NoResponse(RequirementsError):
    """No response arrived before the deadline. `__cause__` is the failure of the last attempt."""


class InvalidResponse(RequirementsError):
    """What answered is not the service: the response is no envelope of it. Check `base_url`, and what is in between."""


class StatusError(RequirementsError):
    """A response with a status other than `action-successful`."""


class RouteNonExistent(StatusError):
    """The service has no such path. Check `base_url`."""

    status = "route-non-existent"


class InvalidContentType(StatusError):
    """The content type is not one that the service accepts."""

    status = "invalid-content-type"


class InvalidEncodedParams(StatusError):
    """The params could not be decoded. A route with sensitive params needs `encode_params`."""

    status = "invalid-encoded-params"


class NoParamsDecoded(StatusError):
    """The request held no params."""

    status = "no-params-decoded"


class IdentifyRequestError(StatusError):
    """The service could not identify the route yet, and did not until the deadline."""

    status = "identify-request-error"


class RouteNotFound(StatusError):
    """The action is not deployed."""

    status = "route-not-found"


class ServiceNotFound(StatusError):
    """The service of the action is not deployed."""

    status = "service-not-found"


class InvalidToken(StatusError):
    """The token does not belong to an active application or session."""

    status = "invalid-token"


class SessionExpired(StatusError):
    """The session has expired: its user must sign in again."""

    status = "session-expired"


class ClientRequired(StatusError):
    """The session's user has no role."""

    status = "client-required"


class MissingParam(StatusError):
    """A required param is missing. `errors` names each one."""

    status = "missing-param"


class InvalidParam(StatusError):
    """A param is invalid, or what it refers to does not exist. `errors` names each one."""

    status = "invalid-param"


class ApplicationCrash(StatusError):
    """The service could not carry out the action until the deadline."""

    status = "application-crash"


class MandrillEmailFailed(StatusError):
    """The requirement was created and is in `requirement`. The service sends its e-mail later."""

    status = "mandrill-email-failed"


STATUS_ERRORS: dict[str, type[StatusError]] = {
    str(error.status): error
    for error in (
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
}
