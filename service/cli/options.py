"""Commands that take --config and read the settings only when they run: --help works whatever those say."""

import os
from pathlib import Path
from typing import Any

import click

from service.config import load_config

# Where the path given with --config is kept; absent when none was.
CONFIG_PATH = f"{__name__}.path"


def _remember(context: click.Context, _option: click.Parameter, path: Path | None) -> None:
    if path is not None:
        context.meta[CONFIG_PATH] = path


def _config_option() -> click.Option:
    return click.Option(
        ["--config"],
        type=click.Path(path_type=Path),
        expose_value=False,
        callback=_remember,
        help="Settings; config.yaml here where there is one.",
    )


class ConfiguredCommand(click.Command):
    """A command whose `obj` is the `Config`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params.append(_config_option())

    def invoke(self, ctx: click.Context) -> Any:
        """Read the settings, then do it. Raises `ConfigError`."""
        ctx.obj = load_config(ctx.meta.get(CONFIG_PATH), os.environ)
        return super().invoke(ctx)


class ConfiguredGroup(click.Group):
    """A group of such commands, which takes --config for all of them."""

    command_class = ConfiguredCommand
    group_class = type

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params.append(_config_option())
