"""The actions of the API. Everything that depends on which actions there are reads this table.

CONTRIBUTING.md shows step by step how to add one.
"""

from service.api.action import Action
from service.api.handlers.requirements.create import create
from service.api.handlers.requirements.read import read
from service.domain.schemas import create_schema, read_schema

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
    ),
)
