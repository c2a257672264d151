"""Create many requirements in one call."""

from collections.abc import Sequence
from typing import Any

from aiohttp import web

from service.api import keys
from service.api.handlers.requirements.batches import (
    Verdict,
    check_listed,
    load_batch_params,
    new_call,
    refuse_atomic,
    respond_with_verdicts,
)
from service.domain.list_params import CheckedItem
from service.domain.requirement_batches import BatchCall, NewItem
from service.domain.statuses import ApplicationCrash, InvalidParam, ParamError
from service.storage.requirement_batches import ItemResult


async def create_many(request: web.Request) -> web.Response:
    """Answer with a verdict on each item, in order; with `atomic`, refuse the call if one cannot be created.

    E-mails are left to the dispatcher.
    """
    checked = await check_listed(request)
    refusals = [item.refusal for item in checked if item.refusal is not None]
    params = load_batch_params(request, refusals if request[keys.PARAMS].get("atomic") is True else ())
    call = new_call(request, params, lambda: [params["atomic"], _content(checked, params["requirements"])])
    items = [NewItem(place, item.values) for place, item in enumerate(checked) if item.values is not None]
    results = await request.app[keys.BATCH_WRITER].create(call, items, request[keys.DEADLINE]) if items else {}
    verdicts = [
        Verdict("none", None, item.refusal) if item.refusal else _verdict(call, place, results.get(place))
        for place, item in enumerate(checked)
    ]
    if call.atomic:
        refuse_atomic(verdicts)
    return respond_with_verdicts(request, params, verdicts)


def _verdict(call: BatchCall, place: int, result: ItemResult | None) -> Verdict:
    if result is not None and result.requirement is not None:
        # Without a key, only an earlier attempt of this call can have written the row.
        replayed = result.repeated and call.params_digest is not None
        return Verdict("replayed" if replayed else "created", result.requirement)
    if result is None:
        # A trigger of other software has discarded the row; or the call is atomic and refused.
        return Verdict("none", None, ApplicationCrash())
    exists = {"required.id": result.required_exists, "requireable.id": result.requireable_exists}
    absent = [
        ParamError(f"requirements.{place}.{param}", "does not exist") for param, found in exists.items() if not found
    ]
    return Verdict("none", None, InvalidParam(*absent))


def _content(checked: Sequence[CheckedItem], sent: Sequence[Any]) -> list[Any]:
    return [
        [item.values["required"], item.values["requireable"], item.values["key"], item.values["value"]]
        if item.values is not None
        else {"invalid": value}
        for item, value in zip(checked, sent, strict=True)
    ]
