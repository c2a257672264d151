"""The params of each action. The OpenAPI document is made from the same schemas.

A schema is a function of the configured association types.
"""

from collections.abc import Callable, Collection
from functools import cache
from typing import Any

from marshmallow import missing
from marshmallow.fields import Field

from service.domain.closures import MAX_THINGS
from service.domain.feed import MAX_WAIT_SECONDS
from service.domain.filter_params import (
    MAX_CURSOR_LENGTH,
    caller_filter,
    created_filter,
    flag_param,
    page_param,
    reference_filter,
    search_param,
    sort_param,
)
from service.domain.graph import MAX_DEPTH
from service.domain.hash_params import HashParam, hash_schema
from service.domain.list_params import ItemsParam, ids_param, texts_param
from service.domain.lists import MAX_PAGE_SIZE, PAGE_SIZE
from service.domain.params import (
    Param,
    ParamsSchema,
    ReferenceParam,
    choice_param,
    id_param,
    integer_param,
    text_param,
    time_param,
)
from service.domain.requirement_batches import MAX_ITEMS
from service.domain.views import APPLICATION_VIEWS, SESSION_VIEWS

MAX_KEY_LENGTH = 255
MAX_VALUE_LENGTH = 4096

KEY = text_param(MAX_KEY_LENGTH, "Stored and returned as sent. No NUL characters.")

SchemaFactory = Callable[[Collection[str]], ParamsSchema]


@cache
def schema_of(factory: SchemaFactory, association_types: tuple[str, ...]) -> ParamsSchema:
    """The schema that `factory` makes. Apps share it: making those of all actions takes milliseconds."""
    return factory(association_types)


def create_schema(association_types: Collection[str]) -> ParamsSchema:
    """The params of `create`."""
    return _schema(**_requirement(_reference(association_types)))  # type: ignore[arg-type]  # no at_least_one in it


def read_schema(_association_types: Collection[str]) -> ParamsSchema:
    """The params of `read`."""
    return _schema(id=id_param(), fresh=_fresh())


def index_schema(association_types: Collection[str]) -> ParamsSchema:
    """The params of `index`."""
    reference = reference_filter(association_types)
    key = "Requirements with exactly this key. Null: those without a key."
    return _schema(
        required=HashParam(reference, "Requirements whose `required` is this, or is of this type."),
        requireable=HashParam(reference, "Requirements whose `requireable` is this, or is of this type."),
        key=text_param(MAX_KEY_LENGTH, key, default=missing),
        caller=caller_filter(),
        created=created_filter(),
        search=search_param(),
        page=page_param(),
        sort=sort_param(),
        count=flag_param("Whether to count them."),
        fresh=_fresh(),
    )


def update_schema(_association_types: Collection[str]) -> ParamsSchema:
    """The params of `update`. A key or value that is not passed is not among the values."""
    return _schema(
        at_least_one=("key", "value"),
        id=id_param(),
        key=text_param(MAX_KEY_LENGTH, "The new key; null removes it. Absent: it stays as it is.", default=missing),
        value=text_param(
            MAX_VALUE_LENGTH, "The new value; null removes it. Absent: it stays as it is.", default=missing
        ),
        if_updated_at=_if_updated_at(),
    )


def destroy_schema(_association_types: Collection[str]) -> ParamsSchema:
    """The params of `destroy`."""
    return _schema(id=id_param(), if_updated_at=_if_updated_at())


def create_many_schema(association_types: Collection[str]) -> ParamsSchema:
    """The params of `create_many`."""
    item = _item("NewRequirement", _requirement(_reference(association_types)))
    return _schema(
        requirements=_items(item, "The requirements to create. Two equal ones are two requirements.", at_least=1),
        atomic=_atomic(),
    )


def destroy_many_schema(_association_types: Collection[str]) -> ParamsSchema:
    """The params of `destroy_many`."""
    return _schema(
        ids=ids_param(MAX_ITEMS, "The ids of the requirements to delete. Each is listed once."), atomic=_atomic()
    )


def sync_schema(association_types: Collection[str]) -> ParamsSchema:
    """The params of `sync`."""
    reference = _reference(association_types)
    fields = _requirement(reference)
    requireable = fields.pop("requireable")
    item = _item("SyncedRequirement", fields)
    return _schema(
        requireable=requireable,
        requirements=_items(item, "All that it requires, each `required` and `key` once.", at_least=0),
        keys=texts_param(
            MAX_ITEMS,
            KEY,
            "Only requirements with these keys are in question, null for those without a key. Null or absent: all.",
        ),
        dry_run=flag_param("Return what would be changed, and change nothing."),
    )


def _item(name: str, fields: dict[str, Field[Any]]) -> type[ParamsSchema]:
    return ParamsSchema.from_dict(fields, name=name)  # type: ignore[return-value]  # typed as of Schema


def _items(schema: type[ParamsSchema], description: str, *, at_least: int) -> ItemsParam:
    return ItemsParam(schema, description, at_least=at_least, at_most=MAX_ITEMS)


def _atomic() -> Param:
    return flag_param("All or nothing: one item that cannot be carried out refuses the call.")


def _requirement(reference: type[ParamsSchema]) -> dict[str, Field[Any]]:
    """What a requirement consists of."""
    return {
        "required": ReferenceParam(reference, "What is required."),
        "requireable": ReferenceParam(reference, "What requires it."),
        "key": KEY,
        "value": text_param(MAX_VALUE_LENGTH, "Stored and returned as sent. No NUL characters."),
    }


def _if_updated_at() -> Param:
    return time_param("Change the requirement only if it still has this updated_at, as a record carried it.")


def closure_schema(association_types: Collection[str]) -> ParamsSchema:
    """The params of `closure`."""
    size = integer_param(MAX_THINGS, f"The number of things on a page. Null or absent: {MAX_THINGS}.")
    after = text_param(MAX_CURSOR_LENGTH, "The `next` of the page before, with the same other params.")
    return _schema(
        of=ReferenceParam(_reference(association_types), "The thing that the question is about."),
        direction=choice_param(
            ("requires", "required_by"),
            "What `of` requires (if null or absent), or what it is required by.",
        ),
        key=_link_key(),
        max_depth=_max_depth(),
        page=HashParam(hash_schema("PageOfClosure", size=size, after=after), "Null or absent: the first page."),
        fresh=_fresh(),
    )


def path_schema(association_types: Collection[str]) -> ParamsSchema:
    """The params of `path`."""
    reference = _reference(association_types)
    ends: dict[str, Any] = {
        "from": ReferenceParam(reference, "The thing that requires."),
        "to": ReferenceParam(reference, "The thing that is required in the end."),
    }
    return _schema(**ends, key=_link_key(), max_depth=_max_depth(), fresh=_fresh())


def changes_schema(association_types: Collection[str]) -> ParamsSchema:
    """The params of `changes`."""
    reference = reference_filter(association_types)
    after = (
        "The `next` of the answer before, or the `cursor` of an event. `now`: no events, only the cursor of this "
        "moment. Null or absent: from the oldest event that is kept."
    )
    size = integer_param(MAX_PAGE_SIZE, f"The number of events on a page. Null or absent: {PAGE_SIZE}.")
    wait = "How long to wait for an event if there is none. Null or absent: 0."
    key = "Events whose record has exactly this key. Null: those without a key."
    return _schema(
        after=text_param(MAX_CURSOR_LENGTH, after),
        page=HashParam(hash_schema("ChangesPage", size=size), "How many events to return."),
        wait_seconds=integer_param(MAX_WAIT_SECONDS, wait, minimum=0),
        required=HashParam(reference, "Events whose record has this as `required`, or one of this type."),
        requireable=HashParam(reference, "Events whose record has this as `requireable`, or one of this type."),
        key=text_param(MAX_KEY_LENGTH, key, default=missing),
    )


def _fresh() -> Param:
    """Whether a replica may answer."""
    return flag_param("Answer with everything that was committed before the call: a replica may lack what is new.")


def _link_key() -> Param:
    """The filter of `closure` and `path`."""
    description = "Only requirements with exactly this key count. Null: only those without a key."
    return text_param(MAX_KEY_LENGTH, description, default=missing)


def _max_depth() -> Param:
    """How far `closure` and `path` go."""
    return integer_param(MAX_DEPTH, f"The greatest number of requirements in a row. Null or absent: {MAX_DEPTH}.")


def _reference(association_types: Collection[str]) -> type[ParamsSchema]:
    return _reference_schema(tuple(association_types))


@cache
def _reference_schema(association_types: tuple[str, ...]) -> type[ParamsSchema]:
    """The schema of a reference. All actions share it, because the OpenAPI document has one component for it."""
    fields = {"type": choice_param(association_types, required=True), "id": id_param()}
    return ParamsSchema.from_dict(fields, name="Reference")  # type: ignore[return-value, arg-type]  # as above


def _schema(at_least_one: tuple[str, ...] = (), **fields: object) -> ParamsSchema:
    """The schema of an action's own params, and of the views that every action takes.

    `at_least_one` names params of which at least one must be passed.
    """
    views = {
        "session_view": choice_param(SESSION_VIEWS, "The view of the session to return. Null or absent: none."),
        "application_view": choice_param(
            APPLICATION_VIEWS, "The view of the application to return. Null or absent: none."
        ),
    }
    schema: ParamsSchema = ParamsSchema.from_dict({**fields, **views})()  # type: ignore[assignment, dict-item]  # as above
    schema.at_least_one = at_least_one
    return schema
