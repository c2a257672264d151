"""Options that commands share. --config is read when a command runs, so that --help works with any settings."""

import os
from pathlib import Path
from typing import Any

import click

from service.config import load_config
from service.domain.operator_input import MAX_ROWS

# Key of the path given with --config; absent if the option was not given.
CONFIG_PATH = f"{__name__}.path"


limit_option = click.option(
    "--limit", type=click.IntRange(1, MAX_ROWS), default=50, show_default=True, help="Maximum number of rows."
)


def _remember(context: click.Context, _option: click.Parameter, path: Path | None) -> None:
    if path is not None:
        context.meta[CONFIG_PATH] = path


def _config_option() -> click.Option:
    return click.Option(
        ["--config"],
        type=click.Path(path_type=Path),
        expose_value=False,
        callback=_remember,
        help="File of settings. Default: config.yaml in this folder, if it exists.",
    )


class ConfiguredCommand(click.Command):
    """A command whose `obj` is the `Config`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params.append(_config_option())

    def invoke(self, ctx: click.Context) -> Any:
        """Read the settings, then run the command. Raises `ConfigError`."""
        ctx.obj = load_config(ctx.meta.get(CONFIG_PATH), os.environ)
        return super().invoke(ctx)


class ConfiguredGroup(click.Group):
    """A group of such commands. Its --config applies to all of them."""

    command_class = ConfiguredCommand
    group_class = type

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params.append(_config_option())
