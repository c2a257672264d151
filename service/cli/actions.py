"""The table of actions, for commands that need it."""

from service.storage.registry import RouteName


def action_path(name: str) -> str:
    """The path of the URL of the action `name`."""
    from service.api.actions import ACTIONS  # noqa: PLC0415 - slow to import

    (path,) = (action.path for action in ACTIONS if action.name == name)
    return path


def action_routes() -> list[RouteName]:
    """The service, version and action of every action that this build knows."""
    # Importing the API takes longer than most commands run.
    from service.api.actions import ACTIONS  # noqa: PLC0415 - slow to import

    return [action.route for action in ACTIONS]
