"""Run a walk through the graph of requirements."""

from typing import TypeVar

from aiohttp import web

from service.api import keys
from service.api.reading import Read, run_read
from service.api.turns import TooManyWaitingError, Turns
from service.domain.graph import ROWS_READ_PER_RESULT
from service.domain.statuses import ApplicationCrash, InvalidParam, Overloaded, ParamError
from service.storage.requirement_graph import TooLongError, TooManyRowsError

T = TypeVar("T")

# The number of walks of a worker that may wait for their turn. More would hardly get it within a request's time.
MAX_WAITING = 32

_LESS = "ask for a lesser max_depth or a key"
_TOO_MANY = f"would take reading more than {ROWS_READ_PER_RESULT} requirements for each result: {_LESS}"
_TOO_LONG = f"would take longer than a request may take: {_LESS}"


def walk_turns(pool_size: int) -> Turns:
    """The turns of walks whose connections come from a pool of this size: one connection is left to other reads."""
    return Turns(max(pool_size - 1, 1), MAX_WAITING)


async def run_walk(request: web.Request, walk: Read[T]) -> T:
    """As `run_read`, for reads that keep a connection for a long time.

    Walks take turns, so that other reads find a free connection. Raises `InvalidParam` if the walk takes too many rows
    or too long, and `Overloaded` if too many others wait.
    """
    try:
        async with request.app[keys.WALKS].turn(request[keys.DEADLINE]):
            return await run_read(request, walk)
    except TooManyWaitingError as error:
        raise Overloaded from error
    except TimeoutError as error:
        raise ApplicationCrash from error
    except TooManyRowsError as error:
        raise InvalidParam(ParamError("max_depth", _TOO_MANY)) from error
    except TooLongError as error:
        raise InvalidParam(ParamError("max_depth", _TOO_LONG)) from error
