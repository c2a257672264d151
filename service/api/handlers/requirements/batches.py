"""What the actions on many requirements have in common."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from aiohttp import web
from multidict import istr

from service.api import keys
from service.api.envelope import respond
from service.api.request_params import load_request_params
from service.domain.callers import viewer_of
from service.domain.idempotency import HEADER, IdempotencyKey, key_errors
from service.domain.list_params import CheckedItem, ItemsParam, check_items
from service.domain.requirement_batches import BatchCall, call_uids, digest_of
from service.domain.requirements import Requirement
from service.domain.statuses import ActionSuccessful, ApplicationCrash, Outcome, Refusal
from service.domain.views import requested_views

_KEY_HEADER = istr(HEADER)

# Checked at a time; then other requests have their turn.
CHUNK = 100


class Verdict(NamedTuple):
    """What became of one item: the outcome and the requirement, or the refusal."""

    outcome: Outcome
    requirement: Requirement | None
    refusal: Refusal | None = None

    def view(self) -> dict[str, Any]:
        """The verdict as an answer shows it."""
        refusal = self.refusal
        return {
            "status": ActionSuccessful.name if refusal is None else refusal.name,
            "outcome": self.outcome,
            "data": None if self.requirement is None else self.requirement.view(),
            "errors": []
            if refusal is None
            else [{"param": error.param, "message": error.message} for error in refusal.errors],
        }


async def check_listed(request: web.Request, name: str = "requirements") -> Sequence[CheckedItem]:
    """The items of a param, checked by its schema; none if the param is not a list within its bounds."""
    field = request.app[keys.PARAMS_SCHEMAS][request[keys.ACTION].name].fields[name]
    items = field.checked(request[keys.PARAMS].get(name)) if isinstance(field, ItemsParam) else None
    if items is None or not isinstance(field, ItemsParam):
        return ()
    checked: list[CheckedItem] = []
    for first in range(0, len(items), CHUNK):
        if first:
            await asyncio.sleep(0)
        checked += check_items(field.item_schema, items[first : first + CHUNK], first, name)
    return checked


def load_batch_params(request: web.Request, refusals: Iterable[Refusal] = ()) -> dict[str, Any]:
    """The values of the call's params. `refusals` are of items that refuse the call.

    Raises `MissingParam` or `InvalidParam`, naming everything that is missing, or else everything that is invalid.
    """
    errors = [error for refusal in refusals for error in refusal.errors]
    return load_request_params(request, *errors, *key_errors(request.headers.getall(_KEY_HEADER, [])))


def new_call(request: web.Request, params: Mapping[str, Any], content: Callable[[], object]) -> BatchCall:
    """The call of a verified caller. `content` returns what counts when a repeated call is compared with the first."""
    caller = request[keys.CALLER]
    text = request.headers.get(_KEY_HEADER)
    key = None if text is None else IdempotencyKey(caller, text)
    return BatchCall(
        call_uids(key),
        None if key is None else digest_of(request[keys.ACTION].name, content()),
        caller,
        viewer_of(caller, request.app[keys.CONFIG].requirements.clients_see),
        request[keys.REQUEST_ID],
        bool(params.get("atomic")),
    )


def respond_with(
    request: web.Request, params: Mapping[str, Any], data: Mapping[str, Any], outcome: Outcome
) -> web.Response:
    """The answer to a batch that was carried out."""
    views = requested_views(request[keys.CALLER], request[keys.TOKEN], params)
    return respond(request, ActionSuccessful(data=data, views=views, outcome=outcome))


def respond_with_verdicts(request: web.Request, params: Mapping[str, Any], verdicts: Sequence[Verdict]) -> web.Response:
    """The answer with a verdict on each item, in order."""
    failed = sum(verdict.refusal is not None for verdict in verdicts)
    data = {
        "results": [verdict.view() for verdict in verdicts],
        "succeeded": len(verdicts) - failed,
        "failed": failed,
    }
    return respond_with(request, params, data, common_outcome(verdict.outcome for verdict in verdicts))


def common_outcome(outcomes: Iterable[Outcome]) -> Outcome:
    """The outcome that all items have; "mixed" if they differ, and "none" if there are none."""
    different = set(outcomes)
    if len(different) > 1:
        return "mixed"
    return different.pop() if different else "none"


def refuse_atomic(verdicts: Sequence[Verdict]) -> None:
    """Raise if an item of an atomic call was not carried out: what names a fault of it, or else `ApplicationCrash`.

    Items without a fault of their own were not carried out because of the others. If there are no others, a trigger of
    other software has discarded some: the outcome is then unknown, unless all were discarded.
    """
    refuse_all([verdict.refusal for verdict in verdicts if verdict.refusal and verdict.refusal.errors])
    if any(verdict.refusal for verdict in verdicts):
        carried_out = any(verdict.refusal is None for verdict in verdicts)
        raise ApplicationCrash(outcome="unknown" if carried_out else "none")


def refuse_all(refusals: Sequence[Refusal]) -> None:
    """Raise the refusal of an atomic call by these refusals of its items, if there are any."""
    if refusals:
        raise type(refusals[0])(*(error for refusal in refusals for error in refusal.errors))
