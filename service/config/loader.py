"""How settings become values: YAML, then the environment, then validation by a schema made from the dataclass."""

import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin, get_type_hints

import marshmallow as ma
import yaml

from service.config.resources import resource

Values = dict[str, Any]
T = TypeVar("T")

PREFIX = "REQUIREMENTS__"


class ConfigError(Exception):
    """A setting that does not fit. The message is one line that says which and why."""


def layered(
    config: type, path: Path | None, environ: Mapping[str, str], short_names: Mapping[str, tuple[str, str]]
) -> Values:
    """The raw values of `config`'s sections: the shipped defaults, overridden by `path`, then by `environ`."""
    values = _read_yaml(resource("config.yaml"))
    for layer in (_read_yaml(path) if path else {}, _from_environ(config, environ, short_names)):
        _overlay(values, layer)
    associations = values["associations"]
    if isinstance(associations, dict):
        values["associations"] = {name: table for name, table in associations.items() if table is not None}
    return values


def build(cls: type[T], values: Values) -> T:
    """An instance of the dataclass `cls` from `values`. Raises `ConfigError` naming every setting at fault."""
    try:
        return _instance(cls, _schema(cls)().load(values))
    except ma.ValidationError as error:
        raise ConfigError("; ".join(_faults(error.messages))) from None


def _read_yaml(path: Path) -> Values:
    try:
        content = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: is not valid YAML: {' '.join(str(error).split())}") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: holds no settings: expected sections such as `server:`")
    return content


def _overlay(values: Values, layer: Values) -> None:
    for section, content in layer.items():
        known = values.get(section)
        if isinstance(known, dict) and isinstance(content, dict):
            values[section] = known | content
        elif not (isinstance(known, dict) and content is None):
            values[section] = content


def _from_environ(config: type, environ: Mapping[str, str], short_names: Mapping[str, tuple[str, str]]) -> Values:
    layer: dict[str, Values] = {}
    # Long names come last: they are the explicit ones.
    for name in sorted(environ, key=lambda name: name.startswith(PREFIX)):
        plain = name.removesuffix("_FILE")
        place = short_names.get(plain) or _long_name(plain)
        if place is None or environ[name] == "":
            continue
        text = environ[name] if plain == name else _secret(name, environ[name])
        section, key = place
        layer.setdefault(section, {})[key] = _typed(config, section, key, name, text)
    return layer


def _long_name(name: str) -> tuple[str, str] | None:
    if not name.startswith(PREFIX):
        return None
    section, _, key = name.removeprefix(PREFIX).partition("__")
    section = section.lower()
    # The names of association types are a user's own: their case is kept.
    return section, key if section == "associations" else key.lower()


def _secret(name: str, path: str) -> str:
    try:
        return Path(path).read_text("utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{name}: {path} cannot be read: {error}") from None


def _typed(config: type, section: str, key: str, name: str, text: str) -> object:
    """The environment's text as the setting's own type; never as YAML, where `no` would be false."""
    group = get_type_hints(config).get(section)
    hint = get_type_hints(group).get(key, str) if is_dataclass(group) else str
    kind, _ = _kind(hint)
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
    kind, nullable = _kind(hint)
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


def _kind(hint: Any) -> tuple[Any, bool]:
    """The plain type behind a hint, and whether it may be null."""
    if get_origin(hint) is Annotated:
        return _kind(get_args(hint)[0])
    if get_origin(hint) in (Union, types.UnionType):
        (inner,) = (arg for arg in get_args(hint) if arg is not types.NoneType)
        return _kind(inner)[0], True
    return get_origin(hint) or hint, False


def _instance(cls: type[T], values: Values) -> T:
    hints = get_type_hints(cls)
    content = {
        item.name: _instance(hints[item.name], values[item.name])
        if is_dataclass(hints[item.name])
        else _frozen(values[item.name])
        for item in fields(cls)  # type: ignore[arg-type]  # T is a dataclass
    }
    return cls(**content)


def _frozen(value: object) -> object:
    if isinstance(value, dict):
        return types.MappingProxyType(value)
    return tuple(value) if isinstance(value, list) else value


def _faults(messages: Any, path: str = "") -> list[str]:
    if isinstance(messages, dict):
        return [
            fault
            for key, inner in messages.items()
            for fault in _faults(
                inner,
                path if key in ("key", "value") and path.startswith("associations") else f"{path}.{key}".strip("."),
            )
        ]
    return [f"{path}: {' '.join(messages).rstrip('.').lower()}"]
