"""Settings: sources, validation, and secrets."""

import os
import re
from dataclasses import FrozenInstanceError, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, get_type_hints

import pytest
import yaml

from service.config import ConfigError
from service.config.resources import resource
from service.config.settings import SHORT_NAMES, Config, default_workers, load_config

SECRET = "hunter2-is-secret"

OVERRIDES = [
    ("HOST", "0.0.0.0", ("server", "host"), "0.0.0.0"),  # noqa: S104 - not bound
    ("PORT", "0", ("server", "port"), 0),
    ("WEB_CONCURRENCY", "7", ("server", "workers"), 7),
    ("DATABASE_URL", "postgresql://u:p@h:5432/d", ("database", "url"), "postgresql://u:p@h:5432/d"),
    ("DATABASE_URL", "postgres:///d?host=/run", ("database", "url"), "postgres:///d?host=/run"),
    ("DATABASE_URL", "postgresql://a:1,b:2/d", ("database", "url"), "postgresql://a:1,b:2/d"),
    ("DATABASE_URL", "postgresql://u@[::1]:5/d", ("database", "url"), "postgresql://u@[::1]:5/d"),
    ("REQUIREMENTS__DATABASE__SCHEMA", "app's", ("database", "schema"), "app's"),
    ("SENTRY_DSN", "https://key@example.com/1", ("sentry", "dsn"), "https://key@example.com/1"),
    ("LOG_LEVEL", "debug", ("logging", "level"), "debug"),
    ("LOG_LEVEL", "INFO", ("logging", "level"), "INFO"),
    ("REQUIREMENTS__SERVER__PORT", "81", ("server", "port"), 81),
    ("REQUIREMENTS__SERVER__BODY_TIMEOUT_SECONDS", "0.5", ("server", "body_timeout_seconds"), 0.5),
    ("REQUIREMENTS__DATABASE__REQUIRE_DURABLE", "false", ("database", "require_durable"), False),
    ("REQUIREMENTS__DATABASE__REQUIRE_DURABLE", "True", ("database", "require_durable"), True),
    ("REQUIREMENTS__SENTRY__ENVIRONMENT", "no", ("sentry", "environment"), "no"),
    ("REQUIREMENTS__SENTRY__ENVIRONMENT", "5", ("sentry", "environment"), "5"),
]

INVALID = [
    ("PORT", "-1", "server.port: must be"),
    ("REQUIREMENTS__DATABASE__LOCK_TIMEOUT_SECONDS", "5", "database.lock_timeout_seconds: must be less than database"),
    ("REQUIREMENTS__SERVER__REQUEST_TIMEOUT_SECONDS", "5", "database.statement_timeout_seconds: must be less than se"),
    ("PORT", "65536", "server.port: must be"),
    ("PORT", "8080.0", "PORT: must be a whole number"),
    ("WEB_CONCURRENCY", "two", "WEB_CONCURRENCY: must be a whole number"),
    ("LOG_LEVEL", "loud", "logging.level: must be one of: debug, info, warning, error (set by LOG_LEVEL)"),
    ("REQUIREMENTS__SERVER__SHUTDOWN_SECONDS", "0", "server.shutdown_seconds: must be greater than 0"),
    ("REQUIREMENTS__SERVER__SHUTDOWN_SECONDS", "nan", "server.shutdown_seconds: special numeric values"),
    ("REQUIREMENTS__SERVER__SHUTDOWN_SECONDS", "inf", "server.shutdown_seconds: special numeric values"),
    ("REQUIREMENTS__SERVER__SHUTDOWN_SECONDS", "soon", "SHUTDOWN_SECONDS: must be a number"),
    ("REQUIREMENTS__SERVER__SHUTDOWN_SECONDS", "5", "server.drain_seconds: must be at most 10 together with"),
    ("REQUIREMENTS__SERVER__DRAIN_SECONDS", "-1", "server.drain_seconds: must be greater than or equal to 0"),
    ("REQUIREMENTS__REGISTRY__POLL_SECONDS", "4.5", "registry.poll_seconds: must be"),
    ("REQUIREMENTS__DATABASE__REQUIRE_DURABLE", "no", "REQUIRE_DURABLE: must be true or false"),
    ("REQUIREMENTS__DATABASE__REQUIRE_DURABLE", "0", "REQUIRE_DURABLE: must be true or false"),
    ("REQUIREMENTS__NOTHING__AT_ALL", "1", "nothing: unknown field"),
    ("REQUIREMENTS__SERVER__COLOUR", "1", "server.colour: unknown field (set by REQUIREMENTS__SERVER__COLOUR)"),
    (
        "REQUIREMENTS__SERVER__PROT",
        "1",
        "server.prot: unknown field (set by REQUIREMENTS__SERVER__PROT): did you mean server.port?",
    ),
    ("REQUIREMENTS__SEVER__PORT", "1", ": did you mean server?"),
    ("PORT", "70000", "less than or equal to 65535 (set by PORT)"),
    ("SENTRY_DSN_FILE", "/nowhere", "SENTRY_DSN_FILE: /nowhere cannot be read: No such file or directory"),
    ("REQUIREMENTS__DATA_FOLDER__X", "/tmp", "data_folder"),  # noqa: S108 - not used
    ("DATABASE_URL", f"mysql://u:{SECRET}@h/d", "database.url: must be an address such as postgresql://"),
    ("DATABASE_URL", SECRET, "database.url: must be an address such as"),
    ("DATABASE_URL", f"postgresql://u:{SECRET}@h:port/d", "database.url: must be an address such as"),
    ("DATABASE_URL", f"postgresql://u:{SECRET}@h:99999/d", "database.url: must be an address such as"),
    ("DATABASE_URL", f"postgresql://u:{SECRET}@[::1/d", "database.url: must be an address such as"),
    ("DATABASE_URL", f"postgresql://u:a/{SECRET}@h/d", "database.url: must be an address such as"),
    ("DATABASE_URL", "postgresql://a..b/d", "database.url: names a host with an empty or invalid part"),
    ("DATABASE_URL", f"postgresql://u:{SECRET}@h/d?pgbouncer=true", 'database.url: has "pgbouncer" where a parameter'),
    ("DATABASE_REPLICA_URL", SECRET, "database.replica_url: must be an address such as"),
    ("DATABASE_REPLICA_URL", "postgresql://a/d", "database.replica_url: needs database.url"),
    (
        "DATABASE_REPLICA_URL",
        "postgresql://a/d?target_session_attrs=any",
        'database.replica_url: "target_session_attrs" must be standby: the service only reads there',
    ),
    ("REQUIREMENTS__DATABASE__REPLICA_MAX_LAG_SECONDS", "0", "database.replica_max_lag_seconds: must be greater"),
    ("REQUIREMENTS__DATABASE__SCHEMA", "a.b", "database.schema: must be the name of a schema"),
    ("REQUIREMENTS__DATABASE__SCHEMA", "a" * 64, "database.schema: must be the name of a schema"),
    ("REQUIREMENTS__ASSOCIATIONS__Order", "a.b.c", "associations.Order: must be a table, or schema.table"),
    ("REQUIREMENTS__ASSOCIATIONS__Order", "shop.", "associations.Order: must be a table, or schema.table"),
    ("SENTRY_DSN", SECRET, "sentry.dsn: must be a dsn"),
    ("SENTRY_DSN_FILE", "/nowhere/at/all", "SENTRY_DSN_FILE: /nowhere/at/all cannot be read"),
]

INVALID_FILES = [
    ("server: {port: '80'}", "server.port"),
    ("server: {port: true}", "server.port"),
    ("server: {prot: 80}", "config.yaml): did you mean server.port?"),
    ("sevrer: {port: 80}", "config.yaml): did you mean server?"),
    ("mandrill: {recipients: [nobody]}", "config.yaml)"),
    ("server: {port: null}", "server.port: field may not be null"),
    ("server: [1, 2]", "server"),
    ("server: 5", "server"),
    ("database: {url: ''}", "database.url: must be an address"),
    ("associations: [a, b]", "associations"),
    ("associations: words", "associations"),
    ("associations: {Order: 5}", "associations.Order"),
    ("associations: {5: orders}", "associations"),
    ("data_folder: /tmp", "data_folder"),
    ("5: words", "5: unknown field"),
    ("- a\n- b\n", "holds no settings"),
    ("a: [", "is not valid YAML"),
    ("a: !!python/object:os.system x", "is not valid YAML"),
]


def at(config: Config, *place: str) -> Any:
    """The setting at a path; tuples become lists, as in YAML."""
    value: Any = config
    for name in place:
        value = getattr(value, name)
    return list(value) if isinstance(value, tuple) else value


def test_config_yaml_documents_every_setting() -> None:
    """config.yaml has every setting, on a line with a comment."""
    text = resource("config.yaml").read_text("utf-8")
    sections = {name: hint for name, hint in get_type_hints(Config).items() if is_dataclass(hint)}
    known = {name: {item.name for item in fields(hint)} for name, hint in sections.items()}
    shipped = yaml.safe_load(text)
    assert {name: set(values) for name, values in shipped.items() if name != "associations"} == known
    without_comment = re.findall(r"^  ([a-z_]+: [^#\n]*)$", text, re.MULTILINE)
    assert without_comment == []


def test_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a file each setting has the value in the shipped config.yaml; data goes to the current folder."""
    monkeypatch.chdir(tmp_path)
    config = load_config(None, {})
    shipped = yaml.safe_load(resource("config.yaml").read_text("utf-8"))
    shipped["server"]["workers"] = default_workers()  # null in the file
    assert {
        section: {name: at(config, section, name) for name in values}
        for section, values in shipped.items()
        if section != "associations"
    } == {section: values for section, values in shipped.items() if section != "associations"}
    assert dict(config.associations) == shipped["associations"]
    assert config.data_folder == tmp_path / ".data"


@pytest.mark.parametrize(("name", "text", "place", "value"), OVERRIDES)
def test_the_environment_overrides(name: str, text: str, place: tuple[str, str], value: object) -> None:
    """An environment variable sets its setting, converted to the setting's type."""
    found = at(load_config(None, {name: text}), *place)
    assert (found, type(found)) == (value, type(value))


def test_precedence(tmp_path: Path) -> None:
    """A file overrides the defaults, short names override the file, and long names override short ones."""
    path = tmp_path / "own.yaml"
    path.write_text("server: {host: a.example, port: 1, workers: 1}\nsessions:\n")
    config = load_config(path, {"PORT": "2", "WEB_CONCURRENCY": "2", "REQUIREMENTS__SERVER__WORKERS": "3"})
    assert (config.server.host, config.server.port, config.server.workers) == ("a.example", 2, 3)
    assert config.server.body_timeout_seconds == 5.0
    assert config.sessions.touch_interval_seconds == 60.0
    assert config.data_folder == tmp_path / ".data"


@pytest.mark.parametrize(("cores", "workers"), [(1, 1), (2, 2), (4, 4), (16, 4)])
def test_default_workers(monkeypatch: pytest.MonkeyPatch, cores: int, workers: int) -> None:
    """By default there is one worker per available CPU core, at most four."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(cores)))
    assert load_config(None, {}).server.workers == workers
    assert load_config(None, {"WEB_CONCURRENCY": "7"}).server.workers == 7


@pytest.mark.parametrize("name", SHORT_NAMES)
def test_an_empty_variable_is_ignored(name: str) -> None:
    """An empty environment variable is treated as not set."""
    assert load_config(None, {name: ""}) == load_config(None, {})


@pytest.mark.parametrize("name", ["DATABASE_URL_FILE", "REQUIREMENTS__DATABASE__URL_FILE"])
@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_a_secret_from_a_file(tmp_path: Path, name: str, end: str) -> None:
    """With _FILE, the value is the content of the file without its line break."""
    path = tmp_path / "secret"
    path.write_bytes(b"postgresql://u:p@h/d" + end.encode())
    assert load_config(None, {name: str(path)}).database.url == "postgresql://u:p@h/d"


@pytest.mark.parametrize(("name", "text", "message"), INVALID)
def test_invalid_values(name: str, text: str, message: str) -> None:
    """An invalid value raises an error of one line, which names the setting and contains no secret."""
    with pytest.raises(ConfigError, match=re.escape(message)) as error:
        load_config(None, {name: text})
    assert "\n" not in str(error.value)
    assert SECRET not in str(error.value)


@pytest.mark.parametrize(("content", "message"), INVALID_FILES)
def test_invalid_files(tmp_path: Path, content: str, message: str) -> None:
    """An unreadable file, or one with invalid settings, raises an error of one line."""
    path = tmp_path / "config.yaml"
    path.write_text(content)
    with pytest.raises(ConfigError, match=re.escape(message)) as error:
        load_config(path, {})
    assert "\n" not in str(error.value)


def test_all_errors_are_reported_together() -> None:
    """The error names both of two invalid settings."""
    with pytest.raises(ConfigError, match=r"server\.port.*; logging\.level|logging\.level.*; server\.port"):
        load_config(None, {"PORT": "70000", "LOG_LEVEL": "loud"})


def test_associations(tmp_path: Path) -> None:
    """A file and the environment add association types; null removes one. The case of a type is kept."""
    path = tmp_path / "config.yaml"
    path.write_text("associations: {Order: shop.orders, Liaison: null}")
    config = load_config(path, {"REQUIREMENTS__ASSOCIATIONS__LineItem": "line_items"})
    assert {"Order": "shop.orders", "LineItem": "line_items", "User": "users"}.items() <= config.associations.items()
    assert "Liaison" not in config.associations


def test_association_tables_have_a_schema(tmp_path: Path) -> None:
    """A table without a schema is in database.schema."""
    path = tmp_path / "config.yaml"
    path.write_text("{database: {schema: app}, associations: {Order: shop.orders}}")
    tables = load_config(path, {}).association_tables
    assert {"Order": "shop.orders", "User": "app.users"}.items() <= tables.items()


def test_settings_are_frozen() -> None:
    """Settings cannot be changed, and neither can the mapping of association types."""
    config = load_config(None, {})
    with pytest.raises(FrozenInstanceError):
        config.server.port = 1  # type: ignore[misc]
    with pytest.raises(TypeError):
        config.associations["Order"] = "orders"  # type: ignore[index]
    assert replace(config.server, port=1).port == 1


def test_secrets_are_known_and_not_shown() -> None:
    """Passwords and DSNs are not in the repr. They are among the secrets, in quoted and unquoted form."""
    dsn = f"https://{SECRET}@example.com/1"
    config = load_config(None, {"DATABASE_URL": f"postgresql://u:{SECRET}%21@h/d?password=other%21", "SENTRY_DSN": dsn})
    assert SECRET not in repr(config)
    assert set(config.secrets) == {f"{SECRET}%21", f"{SECRET}!", "other%21", "other!", dsn}


def test_a_replica() -> None:
    """The URL of a replica names standbys, and its password is a secret."""
    url = f"postgresql://u:{SECRET}@h1,h2/d?target_session_attrs=standby"
    config = load_config(None, {"DATABASE_URL": "postgresql://u@h/d", "DATABASE_REPLICA_URL": url})
    assert (config.database.replica_url, config.database.replica_max_lag_seconds) == (url, 1.0)
    assert SECRET not in repr(config)
    assert config.secrets == (SECRET,)


def test_no_replica_of_several_servers() -> None:
    """Tables that are distributed over several servers have no standby that could be compared with one primary."""
    urls = {"DATABASE_URL": "postgresql://u@h/d", "DATABASE_REPLICA_URL": "postgresql://u@h1/d"}
    with pytest.raises(ConfigError, match=r"database\.replica_url: cannot be used with database\.distributed"):
        load_config(None, {**urls, "REQUIREMENTS__DATABASE__DISTRIBUTED": "true"})
