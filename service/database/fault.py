"""What PostgreSQL reported about a failed statement, without the values that its message may contain."""

import re
from dataclasses import dataclass

import asyncpg

from service.database.errors import DatabaseError

# The message of such an error quotes only names in the text of a statement, and the service has no values there.
_MESSAGE_QUOTES_NAMES = "42"
_QUOTED = re.compile(r'"([^"]{1,200})"')

# The first line of the context of an error in a trigger.
_FUNCTION = re.compile(r"PL/\w+ function ([\w.\"]{1,200}\([^)\n]{0,200}\))")


@dataclass(frozen=True, slots=True)
class Fault:
    """The SQLSTATE, or the class of an error of the driver, and the object at fault if PostgreSQL names one."""

    code: str
    object: str | None

    def __str__(self) -> str:
        return f"{self.code} ({self.object})" if self.object else self.code


def fault_of(error: BaseException) -> Fault | None:
    """The fault that caused `error`. None if it is not a `DatabaseError`, or was not caused by the driver."""
    cause = error.__cause__
    if cause is None or not isinstance(error, DatabaseError):
        return None
    if not isinstance(cause, asyncpg.PostgresError):
        return Fault(type(cause).__name__, None)
    return Fault(cause.sqlstate or type(cause).__name__, _object(cause))


def _object(error: asyncpg.PostgresError) -> str | None:
    """The constraint, column, data type or table at fault, or the function of a trigger."""
    fields = vars(error)
    function = _FUNCTION.search(fields.get("context") or "")
    if function is not None:
        return f"function {function[1]}"
    for kind in ("constraint", "column", "data_type", "table"):
        if name := fields.get(f"{kind}_name"):
            table = fields.get("table_name")
            return f"{kind.replace('_', ' ')} {name}" + (f" of {table}" if table and kind != "table" else "")
    if (error.sqlstate or "").startswith(_MESSAGE_QUOTES_NAMES):
        name = _QUOTED.search(str(error))
        return name and name[1]
    return None
