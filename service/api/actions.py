"""The actions of the API. Everything that depends on which actions there are reads this table.

CONTRIBUTING.md shows step by step how to add one.
"""

from aiohttp.hdrs import METH_DELETE, METH_POST, METH_PUT

from service.api.action import Action
from service.api.handlers.requirements.change import change
from service.api.handlers.requirements.changes import changes
from service.api.handlers.requirements.closure import closure
from service.api.handlers.requirements.create import create
from service.api.handlers.requirements.create_many import create_many
from service.api.handlers.requirements.destroy_many import destroy_many
from service.api.handlers.requirements.index import index
from service.api.handlers.requirements.path import path
from service.api.handlers.requirements.read import read
from service.api.handlers.requirements.sync import sync
from service.domain.schemas import (
    changes_schema,
    closure_schema,
    create_many_schema,
    create_schema,
    destroy_many_schema,
    destroy_schema,
    index_schema,
    path_schema,
    read_schema,
    sync_schema,
    update_schema,
)

ACTIONS: tuple[Action, ...] = (
    Action(
        name="create",
        handler=create,
        params=create_schema,
        data_component="Requirement",
        summary="Create a requirement",
        description="Records that one thing (`requireable`) requires another (`required`). "
        "`action-successful` is sent only after the requirement is committed.",
        example={
            "required": {"type": "Service", "id": 1},
            "requireable": {"type": "Application", "id": 1},
            "key": "tier",
            "value": "gold",
        },
        success_message="The requirement is recorded.",
        outcomes=("created", "replayed", "none", "unknown"),
        statement_judges_token=True,
        sends_email=True,
    ),
    Action(
        name="read",
        handler=read,
        params=read_schema,
        data_component="Requirement",
        summary="Read a requirement",
        description="Returns the record of a requirement. To a session whose user is only a client, requirements of "
        "other users do not exist.",
        example={"id": 1},
        success_message="The requirement was found.",
        reads_replicas=True,
    ),
    Action(
        name="index",
        handler=index,
        params=index_schema,
        data_component="RequirementList",
        summary="List requirements",
        description="Returns the requirements that pass all filters, page by page, the latest first. Send the `next` "
        "of a page as `page.after` to get the page after it; requirements created meanwhile shift nothing. A request "
        "reads a bounded number of rows: where filters leave few of them, a page may not be full although `complete` "
        "is false and `next` goes on. To a session whose user is only a client, requirements of other users do not "
        "exist.",
        example={"requireable": {"type": "Application", "id": 1}, "page": {"size": 10}, "count": True},
        success_message="The requirements were listed.",
        reads_replicas=True,
    ),
    Action(
        name="update",
        handler=change,
        params=update_schema,
        methods=(METH_POST, METH_PUT),
        data_component="Requirement",
        summary="Change a requirement",
        description="Changes the key, the value or both; what is not passed stays as it is, and null clears. With "
        "`if_updated_at`, the change is made only if nobody changed the requirement since. Returns the record as it "
        "is now.",
        example={"id": 1, "value": "silver"},
        success_message="The requirement is up to date.",
        outcomes=("updated", "replayed", "none", "unknown"),
        statement_judges_token=True,
    ),
    Action(
        name="destroy",
        handler=change,
        params=destroy_schema,
        methods=(METH_POST, METH_DELETE),
        data_component="Requirement",
        summary="Delete a requirement",
        description="Deletes a requirement and returns its record as it was. With `if_updated_at`, it is deleted only "
        "if nobody changed it since.",
        example={"id": 1},
        success_message="The requirement is deleted.",
        outcomes=("destroyed", "replayed", "none", "unknown"),
        statement_judges_token=True,
    ),
    Action(
        name="closure",
        handler=closure,
        params=closure_schema,
        data_component="Closure",
        summary="Tell what a thing requires in the end",
        description="Returns everything that `of` requires, directly or through others, or with the direction "
        "`required_by` everything that requires it: each thing once, with its least depth and the requirement by which "
        "it was reached, ordered by depth, type and id. `cycles` are the requirements that close a cycle: they lead "
        "from a thing to one that is no deeper and leads back to it. One call sees one moment. If there is more, "
        "`complete` is false, and `next` goes on as `page.after`, until what the earlier pages returned has changed. "
        "A walk that would read more than 100 requirements for each result is refused. To a session "
        "whose user is only a client, requirements of other users do not exist.",
        example={"of": {"type": "Application", "id": 1}, "max_depth": 8},
        success_message="The things were found.",
        reads_replicas=True,
    ),
    Action(
        name="path",
        handler=path,
        params=path_schema,
        data_component="Path",
        summary="Tell why one thing requires another",
        description="Returns a shortest chain of requirements by which `from` requires `to`, in order, or null if "
        "there is none. Of several, it is the one whose first requirement has the least id, then the second, and so "
        "on. The chain from a thing to itself is empty. To a session whose user is only a client, requirements of "
        "other users do not exist.",
        example={"from": {"type": "Application", "id": 1}, "to": {"type": "Service", "id": 1}},
        success_message="The question was answered.",
        reads_replicas=True,
    ),
    Action(
        name="create_many",
        handler=create_many,
        params=create_many_schema,
        data_component="Verdicts",
        summary="Create many requirements",
        description="Creates up to 1,000 requirements and returns a verdict on each, in order. With `atomic`, all are "
        "created or none: the call is refused if one of them cannot be. One `Idempotency-Key` covers the call: the "
        "same call again returns what was created, and attempts the rest. E-mails are sent later.",
        example={
            "requirements": [
                {
                    "required": {"type": "Service", "id": 1},
                    "requireable": {"type": "Application", "id": 1},
                    "key": "tier",
                    "value": "gold",
                },
                {"required": {"type": "User", "id": 1}, "requireable": {"type": "Application", "id": 1}},
            ]
        },
        success_message="The call was carried out: each result has its own status.",
        outcomes=("created", "replayed", "mixed", "none", "unknown"),
    ),
    Action(
        name="destroy_many",
        handler=destroy_many,
        params=destroy_many_schema,
        data_component="Verdicts",
        summary="Delete many requirements",
        description="Deletes up to 1,000 requirements and returns a verdict on each, with its record as it was. With "
        "`atomic`, all are deleted or none. One `Idempotency-Key` covers the call.",
        example={"ids": [1]},
        success_message="The call was carried out: each result has its own status.",
        outcomes=("destroyed", "replayed", "mixed", "none", "unknown"),
    ),
    Action(
        name="sync",
        handler=sync,
        params=sync_schema,
        data_component="SyncResults",
        summary="Declare all that one thing requires",
        description="Creates the listed requirements that are missing, updates those with another value, deletes those "
        "of `requireable` that are not listed, and keeps the rest, all in one transaction. Requirements differ by "
        "`required` and `key`. With `keys`, only requirements with these keys are in question. With `dry_run`, "
        "nothing is changed. The same call with the same `Idempotency-Key` returns the changes that were made, and "
        "what was kept as it is now.",
        example={
            "requireable": {"type": "Application", "id": 1},
            "requirements": [{"required": {"type": "Service", "id": 1}, "key": "tier", "value": "silver"}],
        },
        success_message="The requirements are as listed.",
        outcomes=("created", "updated", "destroyed", "replayed", "mixed", "none", "unknown"),
    ),
    Action(
        name="changes",
        handler=changes,
        params=changes_schema,
        data_component="ChangeList",
        summary="Follow the changes of requirements",
        description="Returns the events after the cursor `after`, in an order that never changes: each committed "
        "change once, also those that other software makes with SQL. Follow `next`, which is always there; an empty "
        "page with the same cursor means that there is nothing new, and `wait_seconds` has the call wait for "
        "something. With filters, a page may be empty and `next` another cursor. A transaction that is open delays the "
        "events of later ones. If the events after a cursor are no longer kept, it is refused: read all requirements "
        "anew. To a session whose user is only a client, requirements of other users do not exist.",
        example={"page": {"size": 10}},
        success_message="The changes were read.",
    ),
)
