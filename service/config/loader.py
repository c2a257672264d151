"""Reading settings: YAML files and environment variables, validated by a schema derived from the dataclasses."""

import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin, get_type_hints

import marshmallow as ma
import yaml

from service.config.resources import resource

Values = dict[str, Any]
Sources = Mapping[str, str]  # "in config.yaml" or "set by PORT", by path
T = TypeVar("T")

PREFIX = "REQUIREMENTS__"

# What marshmallow says of a setting that does not exist, in lower case.
UNKNOWN = "unknown field"


class ConfigError(Exception):
    """A setting is invalid. The message is one line with the setting and the reason."""


def read_layers(
    config: type, path: Path | None, environ: Mapping[str, str], short_names: Mapping[str, tuple[str, str]]
) -> tuple[Values, Sources]:
    """Return the raw values of `config`'s sections: shipped defaults, overridden by `path`, overridden by `environ`.

    `short_names` maps environment variables to a section and a key. Also returns where each setting, by its path such
    as `server.port`, comes from, if not from the defaults.
    """
    values = _read_yaml(resource("config.yaml"))
    sources: dict[str, str] = {}
    if path is not None:
        from_file = _read_yaml(path)
        _merge(values, from_file)
        sources |= dict.fromkeys(_paths(from_file), f"in {path}")
    from_environ, variables = _from_environ(config, environ, short_names)
    _merge(values, from_environ)
    sources |= {name: f"set by {variable}" for name, variable in variables.items()}
    associations = values["associations"]
    if isinstance(associations, dict):
        values["associations"] = {name: table for name, table in associations.items() if table is not None}
    return values, sources


def build(cls: type[T], values: Values, sources: Sources) -> T:
    """Return an instance of the dataclass `cls`.

    Raises `ConfigError` that names every invalid setting, its source, and a known setting with a similar name.
    """
    try:
        return _instance(cls, _schema(cls)().load(values))
    except ma.ValidationError as error:
        faults = [_describe(cls, path, text, sources) for path, text in _flatten(error.messages)]
        raise ConfigError("; ".join(faults)) from None


def _describe(cls: type, path: str, text: str, sources: Sources) -> str:
    # An item of a list has the path of the list with an index.
    parents = (path.rsplit(".", cut)[0] for cut in range(path.count(".") + 1))
    source = next((f" ({sources[parent]})" for parent in parents if parent in sources), "")
    similar = get_close_matches(path, _known_paths(cls), n=1, cutoff=0.75) if text == UNKNOWN else []
    return f"{path}: {text}{source}" + "".join(f": did you mean {name}?" for name in similar)


def _known_paths(cls: type) -> list[str]:
    """The sections, and the settings in them as `section.key`."""
    hints = get_type_hints(cls)
    keys = [f"{name}.{item.name}" for name, hint in hints.items() if is_dataclass(hint) for item in fields(hint)]
    return [*(name for name in hints if name != "data_folder"), *keys]


def _paths(layer: Values) -> list[str]:
    """The paths of the sections and settings in a file."""
    keys = [f"{section}.{key}" for section, content in layer.items() if isinstance(content, dict) for key in content]
    return [*map(str, layer), *keys]


def _read_yaml(path: Path) -> Values:
    try:
        content = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {_reason(error)}") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: is not valid YAML: {' '.join(str(error).split())}") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: holds no settings: expected sections such as `server:`")
    return content


def _merge(values: Values, layer: Values) -> None:
    for section, content in layer.items():
        known = values.get(section)
        if isinstance(known, dict) and isinstance(content, dict):
            values[section] = known | content
        elif not (isinstance(known, dict) and content is None):
            values[section] = content


def _from_environ(
    config: type, environ: Mapping[str, str], short_names: Mapping[str, tuple[str, str]]
) -> tuple[Values, dict[str, str]]:
    """The values, and the variable that set each path."""
    layer: dict[str, Values] = {}
    variables: dict[str, str] = {}
    # Long names are applied last, so they override short ones.
    for name in sorted(environ, key=lambda name: name.startswith(PREFIX)):
        plain = name.removesuffix("_FILE")
        place = short_names.get(plain) or _parse_long_name(plain)
        if place is None or environ[name] == "":
            continue
        text = environ[name] if plain == name else _read_secret(name, environ[name])
        section, key = place
        layer.setdefault(section, {})[key] = _convert(config, section, key, name, text)
        variables[f"{section}.{key}"] = variables[section] = name
    return layer, variables


def _parse_long_name(name: str) -> tuple[str, str] | None:
    if not name.startswith(PREFIX):
        return None
    section, _, key = name.removeprefix(PREFIX).partition("__")
    section = section.lower()
    # Association types are named by the user, so their case is kept.
    return section, key if section == "associations" else key.lower()


def _read_secret(name: str, path: str) -> str:
    try:
        return Path(path).read_text("utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{name}: {path} cannot be read: {_reason(error)}") from None


def _reason(error: OSError | UnicodeDecodeError) -> str:
    """The reason without the path, which the message has already."""
    return "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else error.strerror or str(error)


def _convert(config: type, section: str, key: str, name: str, text: str) -> object:
    """Convert an environment variable to the setting's type. It is not parsed as YAML, where `no` means false."""
    group = get_type_hints(config).get(section)
    hint = get_type_hints(group).get(key, str) if is_dataclass(group) else str
    kind, _ = _plain_type(hint)
    try:
        if kind is bool:
            return {"true": True, "false": False}[text.lower()]
        if kind in (int, float):
            return kind(text)
    except (KeyError, ValueError):
        words = {bool: "true or false", int: "a whole number", float: "a number"}[kind]
        raise ConfigError(f"{name}: must be {words}") from None
    if kind is tuple:
        return [item.strip() for item in text.split(",") if item.strip()]
    return text


def _schema(cls: Any) -> type[ma.Schema]:
    hints = get_type_hints(cls, include_extras=True)
    return ma.Schema.from_dict({name: _field(hint) for name, hint in hints.items()}, name=cls.__name__)


def _field(hint: Any) -> Any:
    kind, nullable = _plain_type(hint)
    rules: Values = {"required": True, "allow_none": nullable}
    if get_origin(hint) is Annotated:
        rules["validate"] = [rule for rule in hint.__metadata__ if callable(rule)]
    if is_dataclass(kind):
        return ma.fields.Nested(_schema(kind), **rules)
    if kind is int:
        return ma.fields.Integer(strict=True, **rules)
    if kind is tuple:
        return ma.fields.List(ma.fields.String(), **rules)
    if kind is Mapping:
        return ma.fields.Dict(ma.fields.String(), ma.fields.String(), **rules)
    simple: Any = {bool: ma.fields.Boolean, float: ma.fields.Float, str: ma.fields.String}.get(kind, ma.fields.Raw)
    return simple(**rules)


def _plain_type(hint: Any) -> tuple[Any, bool]:
    """Return the type behind a hint, and whether null is allowed."""
    if get_origin(hint) is Annotated:
        return _plain_type(get_args(hint)[0])
    if get_origin(hint) in (Union, types.UnionType):
        (inner,) = (arg for arg in get_args(hint) if arg is not types.NoneType)
        return _plain_type(inner)[0], True
    return get_origin(hint) or hint, False


def _instance(cls: type[T], values: Values) -> T:
    hints = get_type_hints(cls)
    content = {
        item.name: _instance(hints[item.name], values[item.name])
        if is_dataclass(hints[item.name])
        else _freeze(values[item.name])
        for item in fields(cls)  # type: ignore[arg-type]  # T is a dataclass
    }
    return cls(**content)


def _freeze(value: object) -> object:
    if isinstance(value, dict):
        return types.MappingProxyType(value)
    return tuple(value) if isinstance(value, list) else value


def _flatten(messages: Any, path: str = "") -> list[tuple[str, str]]:
    """The path and the text of each message."""
    if isinstance(messages, dict):
        return [
            message
            for key, inner in messages.items()
            for message in _flatten(
                inner,
                path if key in ("key", "value") and path.startswith("associations") else f"{path}.{key}".strip("."),
            )
        ]
    return [(path, " ".join(messages).rstrip(".").lower())]
