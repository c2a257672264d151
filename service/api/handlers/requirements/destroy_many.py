"""Delete many requirements in one call."""

from collections.abc import Iterator
from typing import Any

from aiohttp import web

from service.api import keys
from service.api.handlers.requirements.batches import (
    Verdict,
    load_batch_params,
    new_call,
    refuse_atomic,
    respond_with_verdicts,
)
from service.domain.list_params import id_rule
from service.domain.params import MISSING
from service.domain.requirement_batches import MAX_ITEMS, BatchCall
from service.domain.statuses import ApplicationCrash, InvalidParam, MissingParam, ParamError, Refusal
from service.storage.requirement_batches import ItemResult


async def destroy_many(request: web.Request) -> web.Response:
    """Answer with a verdict on each id, in order; with `atomic`, refuse the call if one cannot be deleted."""
    sent = request[keys.PARAMS].get("ids")
    refusals = dict(_refusals(sent)) if type(sent) is list and len(sent) <= MAX_ITEMS else {}
    params = load_batch_params(request, refusals.values() if request[keys.PARAMS].get("atomic") is True else ())
    call = new_call(request, params, lambda: [params["atomic"], params["ids"]])
    ids = {place: number for place, number in enumerate(params["ids"]) if place not in refusals}
    results = await request.app[keys.BATCH_WRITER].destroy(call, ids, request[keys.DEADLINE]) if ids else {}
    verdicts = [
        Verdict("none", None, refusals[place]) if place in refusals else _verdict(call, place, results.get(place))
        for place in range(len(params["ids"]))
    ]
    if call.atomic:
        refuse_atomic(verdicts)
    return respond_with_verdicts(request, params, verdicts)


def _refusals(ids: list[Any]) -> Iterator[tuple[int, Refusal]]:
    listed: set[int] = set()
    for place, value in enumerate(ids):
        param = f"ids.{place}"
        if value is None or value == "":
            yield place, MissingParam(ParamError(param, MISSING))
        elif (problem := id_rule(value)) is not None:
            yield place, InvalidParam(ParamError(param, problem))
        elif value in listed:
            yield place, InvalidParam(ParamError(param, "is listed twice"))
        else:
            listed.add(value)


def _verdict(call: BatchCall, place: int, result: ItemResult | None) -> Verdict:
    if result is None:
        return Verdict("none", None, InvalidParam(ParamError(f"ids.{place}", "does not exist")))
    if result.repeated and call.params_digest is not None:
        return Verdict("replayed", result.requirement)
    if result.changed or result.repeated:
        # Without a key, only an earlier attempt of this call can have deleted it.
        return Verdict("destroyed", result.requirement)
    # A trigger of other software has kept the row; or the call is atomic and refused.
    return Verdict("none", None, ApplicationCrash())
