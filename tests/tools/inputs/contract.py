"""A model of the contract: compute the expected answer from the request and the database state alone.

It shares no code with the service, so an error in one shows as a difference from the other.
"""

import base64
import re
from collections.abc import Container
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tests.api.bad_inputs.cases import Header, Request, octets
from tests.tools.inputs.contract_family import DATA, WRITES, family_faults, later_faults
from tests.tools.inputs.database_state import DatabaseState
from tests.tools.inputs.json_reference import EmptyDocument, InvalidDocument, read

HTTP_CODES = {
    "action-successful": 200,
    "invalid-token": 401,
    "session-expired": 401,
    "client-required": 401,
    "missing-param": 400,
    "invalid-param": 400,
    "invalid-content-type": 400,
    "route-non-existent": 500,
    "no-params-decoded": 400,
    "invalid-encoded-params": 400,
}
WITH_ERRORS = {"missing-param", "invalid-param"}
VIEWS = ("default", "detailed")
TEXT_LIMITS = {"key": 255, "value": 4096}
KEY = "Idempotency-Key"

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")
_PRINTABLE = re.compile(rb"[ -~]{1,255}")
_BASE64 = re.compile(rb"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")


class Case(NamedTuple):
    """A request, and facts known from its construction, so that the model need not parse it.

    `encoding` follows from the content type and codings, None if they must be refused; `body` is without its framing.
    """

    request: Request
    body: bytes
    encoding: str | None
    is_create: bool = True
    action: str = "create"

    @property
    def writes(self) -> bool:
        """Whether the action has an outcome."""
        return self.action == "create" or self.action in WRITES


@dataclass(frozen=True)
class Expected:
    """The expected answer. `params` are the invalid ones, sorted.

    `data` is the expected record without its id and times; `members` are those of any other data, or `exactly` is equal
    to it.
    """

    status: str
    params: tuple[str, ...] = ()
    data: dict[str, Any] | None = None
    members: frozenset[str] = frozenset()
    exactly: Any = None
    views: frozenset[str] = field(default=frozenset())

    @property
    def outcome(self) -> str:
        """The expected Requirement-Outcome."""
        return "created" if self.data else "none"


class _Refused(Exception):
    def __init__(self, status: str, *params: str, views: frozenset[str] = frozenset()) -> None:
        super().__init__(status)
        self.expected = Expected(status, tuple(sorted(params)), views=views)


def expect(case: Case, state: DatabaseState, max_body_bytes: int) -> Expected:
    """Return the expected answer to `case`."""
    try:
        return _expect(case, state, max_body_bytes)
    except _Refused as refused:
        return refused.expected


def kept_request_id(request: Request) -> bytes | None:
    """Return the request's own id if the service must keep it, None if the service generates one."""
    offered = _values(request.headers, "X-Request-ID")
    return offered[0] if offered and _REQUEST_ID.fullmatch(offered[0]) else None


def _expect(case: Case, state: DatabaseState, max_body_bytes: int) -> Expected:
    if not case.is_create:
        raise _Refused("route-non-existent")
    if case.encoding is None:
        raise _Refused("invalid-content-type")
    if len(case.body) > max_body_bytes:
        raise _Refused("invalid-param", "body")
    params = _decode(case.body if case.encoding == "plain" else _from_base64(case.body))
    _require_caller(params, case.request, state)
    if case.action != "create":
        return _answered(case.action, params, state)
    missing, invalid = _faults(params, state.ids)
    keys = _values(case.request.headers, KEY)
    if len(keys) > 1 or not all(map(_PRINTABLE.fullmatch, keys)):
        invalid.append(KEY)
    if missing:
        raise _Refused("missing-param", *missing)
    if invalid:
        raise _Refused("invalid-param", *invalid)
    return _recorded(params, state)


def _answered(action: str, params: dict[str, Any], state: DatabaseState) -> Expected:
    missing, invalid = family_faults(action, params, state.ids, _check_reference)
    invalid += _bad_views(params)
    if missing:
        raise _Refused("missing-param", *missing)
    if invalid:
        raise _Refused("invalid-param", *invalid)
    later = later_faults(action, params)
    if later:
        raise _Refused("invalid-param", *later)
    counted = {"count"} if params.get("count") else set()
    return Expected("action-successful", members=frozenset(DATA[action] | counted), views=_shown_views(params))


def strict_base64(body: bytes) -> bytes | None:
    """Return the decoded `body`, or None if it is not canonical base64."""
    decoded = base64.b64decode(body) if _BASE64.fullmatch(body) else None
    return decoded if decoded is not None and base64.b64encode(decoded) == body else None


def _from_base64(body: bytes) -> bytes:
    decoded = strict_base64(body)
    if decoded is None:
        raise _Refused("invalid-encoded-params")
    return decoded


def _decode(body: bytes) -> dict[str, Any]:
    try:
        params = read(body)
    except InvalidDocument:
        raise _Refused("invalid-encoded-params") from None
    except EmptyDocument:
        raise _Refused("no-params-decoded") from None
    if not isinstance(params, dict) or not params:
        raise _Refused("no-params-decoded")
    return params


def _require_caller(params: dict[str, Any], request: Request, state: DatabaseState) -> None:
    token = params["token"] if "token" in params else _bearer(request)
    if token is None or token == "":
        raise _Refused("missing-param", "token")
    caller = state.callers.get(token) if isinstance(token, str) else None
    if caller is None:
        raise _Refused("invalid-token")
    if caller == "expired":
        raise _Refused("session-expired")
    if caller == "without-role":
        raise _Refused("client-required", views=frozenset({"session"}))


def _bearer(request: Request) -> str | None:
    offered = _values(request.headers, "Authorization")
    scheme, _, token = offered[0].partition(b" ") if offered else (b"", b"", b"")
    return token.strip().decode("latin-1") if scheme.lower() == b"bearer" else None


def params_faults(params: dict[str, Any], types: Container[str]) -> tuple[str, list[str]]:
    """Return the status expected for the params alone (empty if they are valid), and the invalid params, sorted."""
    missing, invalid = _faults(params, types)
    status = "missing-param" if missing else "invalid-param" if invalid else ""
    return status, sorted(missing or invalid)


def _faults(params: dict[str, Any], types: Container[str]) -> tuple[list[str], list[str]]:
    missing: list[str] = []
    invalid: list[str] = []
    for name in ("required", "requireable"):
        _check_reference(name, params.get(name), types, missing, invalid)
    for name, limit in TEXT_LIMITS.items():
        text = params.get(name)
        if text is not None and not (isinstance(text, str) and len(text) <= limit and "\0" not in text):
            invalid.append(name)
    return missing, invalid + _bad_views(params)


def _bad_views(params: dict[str, Any]) -> list[str]:
    return [f"{name}_view" for name in ("session", "application") if not _is_view(params.get(f"{name}_view"))]


def _shown_views(params: dict[str, Any]) -> frozenset[str]:
    return frozenset(name for name in ("session", "application") if params.get(f"{name}_view") is not None)


def _is_view(name: object) -> bool:
    return name is None or (isinstance(name, str) and name in VIEWS)


def _check_reference(name: str, value: Any, types: Container[str], missing: list[str], invalid: list[str]) -> None:
    if value is None or value == "":
        missing.append(name)
        return
    if not isinstance(value, dict):
        invalid.append(name)
        return
    missing += [f"{name}.{part}" for part in ("type", "id") if value.get(part) in (None, "")]
    kind, row_id = value.get("type"), value.get("id")
    if not (isinstance(kind, str) and kind in types):
        invalid.append(f"{name}.type")
    if not (type(row_id) is int and 1 <= row_id < 2**63):
        invalid.append(f"{name}.id")


def _recorded(params: dict[str, Any], state: DatabaseState) -> Expected:
    references = {name: {part: params[name][part] for part in ("type", "id")} for name in ("required", "requireable")}
    missing_rows = [f"{name}.id" for name, it in references.items() if it["id"] not in state.ids[it["type"]]]
    if missing_rows:
        raise _Refused("invalid-param", *missing_rows)
    data = references | {name: params.get(name) for name in TEXT_LIMITS}
    return Expected("action-successful", data=data, views=_shown_views(params))


def _values(headers: tuple[Header, ...], name: str) -> list[bytes]:
    values = (value for found, value in headers if found.lower() == name.lower())
    return [octets(value).strip(b" \t") for value in values]
