"""Service files: connection parameters under a name (https://www.postgresql.org/docs/current/libpq-pgservice.html)."""

import configparser
import os
from collections.abc import Mapping
from pathlib import Path

from service.config.libpq_parameters import DatabaseUrlError


def with_service(params: Mapping[str, str], *, has_hosts: bool) -> Mapping[str, str]:
    """Return `params`, and those of the service that they name and that they do not set themselves.

    With `has_hosts`, the service's servers are left out, because the URL names its own. Raises `DatabaseUrlError`.
    """
    if "service" not in params:
        return params
    found = _service(params["service"], params.get("servicefile"))
    if has_hosts:
        found = {name: value for name, value in found.items() if name not in ("host", "port")}
    return {**found, **params}


def _service(name: str, path: str | None) -> Mapping[str, str]:
    own = path or os.environ.get("PGSERVICEFILE") or "~/.pg_service.conf"
    system = os.environ.get("PGSYSCONFDIR")
    # In a service file, a value may hold any character.
    parser = configparser.RawConfigParser(delimiters=("=",), comment_prefixes=("#",), strict=False)
    for place in (Path(own).expanduser(), Path(system, "pg_service.conf") if system else None):
        try:
            parser.read(place or (), encoding="utf-8")
        except (configparser.Error, OSError, UnicodeDecodeError):
            raise DatabaseUrlError("names a service, but its service file cannot be read") from None
        if parser.has_section(name):
            return {key: value for key, value in parser.items(name) if value}
    raise DatabaseUrlError("names a service that its service file does not define")
