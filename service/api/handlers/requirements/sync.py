"""Make what one thing requires equal to the list in the call."""

from collections.abc import Iterator, Sequence
from typing import Any

from aiohttp import web

from service.api import keys
from service.api.handlers.requirements.batches import (
    check_listed,
    common_outcome,
    load_batch_params,
    new_call,
    respond_with,
)
from service.domain.list_params import CheckedItem
from service.domain.requirement_batches import MAX_ITEMS, NewItem, Sync
from service.domain.schemas import KEY
from service.domain.statuses import InvalidParam, Outcome, ParamError, Refusal
from service.storage.requirement_syncs import SyncChange, SyncResult

_OUTCOMES: dict[str, Outcome] = {
    "created": "created",
    "updated": "updated",
    "destroyed": "destroyed",
    "kept": "none",
}


async def sync(request: web.Request) -> web.Response:
    """Answer with one result for each change and for each item that is kept. All changes are made, or none."""
    checked = await check_listed(request)
    sent = request[keys.PARAMS]
    keys_sent = sent.get("keys")
    params = load_batch_params(request, [*_item_refusals(checked, keys_sent), *_key_refusals(keys_sent)])
    wanted = Sync(
        params["requireable"],
        [
            NewItem(place, {**item.values, "requireable": params["requireable"]})
            for place, item in enumerate(checked)
            if item.values is not None
        ],
        params["keys"],
        bool(params["dry_run"]),
    )
    call = new_call(request, params, lambda: _content(wanted))
    if wanted.dry_run:
        # Nothing is written, so that there is nothing to replay.
        call = call._replace(params_digest=None)
    result = await request.app[keys.BATCH_WRITER].sync(call._replace(atomic=True), wanted, request[keys.DEADLINE])
    _refuse_absent_references(result)
    values = {new.item: new.values for new in wanted.items}
    results = [_view(change, values.get(change.item or 0), dry_run=wanted.dry_run) for change in result.changes]
    outcome: Outcome = common_outcome(_OUTCOMES[change.change] for change in result.changes)
    if wanted.dry_run:
        outcome = "none"
    elif result.earlier and call.params_digest is not None:
        outcome = "replayed"
    return respond_with(request, params, {"results": results}, outcome)


def _item_refusals(checked: Sequence[CheckedItem], in_question: Any) -> Iterator[Refusal]:
    listed: set[object] = set()
    known = {key for key in in_question if key is None or type(key) is str} if type(in_question) is list else None
    for place, item in enumerate(checked):
        if item.refusal is not None:
            yield item.refusal
        elif item.values is not None:
            key = item.values["key"]
            if known is not None and key not in known:
                yield InvalidParam(ParamError(f"requirements.{place}.key", "is not one of keys"))
            elif (item.values["required"], key) in listed:
                yield InvalidParam(ParamError(f"requirements.{place}", "is listed twice"))
            else:
                listed.add((item.values["required"], key))


def _key_refusals(in_question: Any) -> Iterator[Refusal]:
    if type(in_question) is list and len(in_question) <= MAX_ITEMS:
        for place, key in enumerate(in_question):
            problem = None if key is None else KEY.rule(key)
            if problem is not None:
                yield InvalidParam(ParamError(f"keys.{place}", problem))


def _content(wanted: Sync) -> list[object]:
    items = [[new.values["required"], new.values["key"], new.values["value"]] for new in wanted.items]
    return [wanted.requireable, items, wanted.keys]


def _refuse_absent_references(result: SyncResult) -> None:
    errors: dict[str, ParamError] = {}
    for item, refused in sorted(result.refused.items()):
        if not refused.requireable_exists:
            errors["requireable.id"] = ParamError("requireable.id", "does not exist")
        if not refused.required_exists:
            param = f"requirements.{item}.required.id"
            errors[param] = ParamError(param, "does not exist")
    if errors:
        raise InvalidParam(*errors.values())


def _view(change: SyncChange, values: Any, *, dry_run: bool) -> dict[str, Any]:
    requirement = change.requirement
    if requirement is None:
        shown = {
            "id": None,
            "required": values["required"]._asdict(),
            "requireable": values["requireable"]._asdict(),
            "key": values["key"],
            "value": values["value"],
            "created_at": None,
            "updated_at": None,
        }
    else:
        if dry_run and change.change == "updated":
            requirement = requirement._replace(value=values["value"])
        shown = requirement.view()
    return {"change": change.change, "requirement": shown}
