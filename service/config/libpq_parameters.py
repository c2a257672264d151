"""The connection parameters of libpq: those that are used, those without effect, and those that are refused."""

import re
import ssl
from collections.abc import Mapping
from pathlib import Path

_PARAMETER_NAME = re.compile(r"[A-Za-z0-9_.-]{1,40}")

# The parameters of libpq (https://www.postgresql.org/docs/current/libpq-connect.html) that are used. The driver reads
# those of TLS and Kerberos.
TLS = frozenset(
    (
        "sslmode",
        "sslnegotiation",
        "sslcert",
        "sslkey",
        "sslpassword",
        "sslrootcert",
        "sslcrl",
        "ssl_min_protocol_version",
        "ssl_max_protocol_version",
    )
)
KERBEROS = frozenset(("krbsrvname", "gsslib"))
USED = (
    TLS
    | KERBEROS
    | {"host", "port", "dbname", "user", "password", "passfile", "service", "servicefile"}
    | {"application_name", "options", "connect_timeout", "target_session_attrs"}
    | {"keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout"}
)
# The value of target_session_attrs in the URL of a standby.
STANDBY = "standby"
# Those that change nothing here: the application name is always set, no TLS library compresses, and all hosts are
# contacted at once.
_WITHOUT_EFFECT = frozenset(("fallback_application_name", "sslcompression", "load_balance_hosts"))
_TLS_VERSIONS = frozenset(("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"))
# Those whose values are limited, and why.
_VALUES: Mapping[str, tuple[frozenset[str], str]] = {
    "sslmode": (
        frozenset(("disable", "allow", "prefer", "require", "verify-ca", "verify-full")),
        "must be disable, allow, prefer, require, verify-ca or verify-full",
    ),
    "ssl_min_protocol_version": (_TLS_VERSIONS, "is not a version of TLS"),
    "ssl_max_protocol_version": (_TLS_VERSIONS, "is not a version of TLS"),
    "gsslib": (frozenset(("gssapi", "sspi")), "must be gssapi or sspi"),
    "sslnegotiation": (frozenset(("postgres", "direct")), "must be postgres or direct"),
    "target_session_attrs": (
        frozenset(("any", "primary", "read-write")),
        "must be any, primary or read-write: the service writes",
    ),
    "client_encoding": (
        frozenset(("auto", "utf8", "UTF8", "utf-8", "UTF-8", "unicode", "UNICODE")),
        "must be UTF8: take it out",
    ),
    "channel_binding": (
        frozenset(("disable", "prefer")),
        "cannot be required, because the driver does not support it: take it out, "
        "and set sslmode=verify-full to detect an impostor",
    ),
    "gssencmode": (frozenset(("disable", "prefer")), "cannot be required: take it out, and use sslmode"),
    "gssdelegation": (frozenset(("0",)), "is not supported: take it out"),
    "replication": (frozenset(("false", "off", "no", "0")), "is not for this service: take it out"),
    "sslcertmode": (frozenset(("allow",)), "is not supported: take it out"),
    "sslsni": (frozenset(("1",)), "cannot be turned off: take it out"),
    "min_protocol_version": (frozenset(("3.0",)), "must be 3.0: take it out"),
    "max_protocol_version": (frozenset(("3.0", "3.2", "latest")), "must be 3.0, 3.2 or latest: take it out"),
    "require_auth": (frozenset(), "is not supported: take it out, and set sslmode=verify-full to detect an impostor"),
    "requirepeer": (frozenset(), "is not supported: take it out"),
    "hostaddr": (frozenset(), "is not supported: take it out, and name the address as the host"),
    "sslcrldir": (frozenset(), "is not supported: take it out, and use sslcrl"),
    "sslkeylogfile": (frozenset(), "is not supported: take it out"),
    "scram_client_key": (frozenset(), "is not supported: take it out, and use password"),
    "scram_server_key": (frozenset(), "is not supported: take it out"),
    "oauth_issuer": (frozenset(), "is not supported: take it out"),
    "oauth_client_id": (frozenset(), "is not supported: take it out"),
    "oauth_client_secret": (frozenset(), "is not supported: take it out"),
    "oauth_scope": (frozenset(), "is not supported: take it out"),
}
_VALUES_OF_STANDBY: Mapping[str, tuple[frozenset[str], str]] = {
    "target_session_attrs": (frozenset((STANDBY,)), "must be standby: the service only reads there"),
}
# What parameters of other clients mean to this service.
_OF_OTHER_CLIENTS = {
    "pgbouncer": "take it out; if the address is a pooler in transaction mode, use the direct address",
    "schema": "take it out, and set database.schema",
    "currentschema": "take it out, and set database.schema",
    "search_path": "take it out, and set database.schema",
}

_FILES = ("sslrootcert", "sslcert", "sslkey", "sslcrl")


class DatabaseUrlError(ValueError):
    """A database URL cannot be used. The message is one line, which says what to change and holds no secret."""


def check_parameters(params: Mapping[str, str], *, of_standby: bool = False) -> None:
    """Raise `DatabaseUrlError` for the first parameter that cannot be followed."""
    values = {**_VALUES, **_VALUES_OF_STANDBY} if of_standby else _VALUES
    for name, value in params.items():
        known = name in USED or name in _WITHOUT_EFFECT or name in values
        if not known:
            # A name that does not look like one may be a part of a password.
            shown = f'"{name}"' if _PARAMETER_NAME.fullmatch(name) else "a text"
            advice = _OF_OTHER_CLIENTS.get(name.lower(), "take it out")
            raise DatabaseUrlError(f"has {shown} where a parameter of libpq must be: {advice}")
        allowed, problem = values.get(name, (None, ""))
        if allowed is not None and value not in allowed:
            raise DatabaseUrlError(f'"{name}" {problem}')
    if params.get("sslrootcert") == "system" and params.get("sslmode", "verify-full") != "verify-full":
        raise DatabaseUrlError('"sslrootcert=system" needs sslmode=verify-full')
    if params.get("sslrootcert") == "system":
        for name in sorted(params.keys() & TLS - {"sslrootcert", "sslmode"}):
            raise DatabaseUrlError(f'"{name}" cannot be used with sslrootcert=system: name a file of root certificates')
    _check_files(params)


def _check_files(params: Mapping[str, str]) -> None:
    """Load the files of TLS once. The driver's own errors do not say which file is at fault."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for name in _FILES:
        path = params.get(name)
        if path is None or path == "system":
            continue
        try:
            if name in ("sslrootcert", "sslcrl"):
                context.load_verify_locations(cafile=path)
            elif name == "sslcert" and "sslkey" in params:
                context.load_cert_chain(path, params["sslkey"], lambda: params.get("sslpassword", ""))
            else:
                Path(path).read_bytes()
        except (OSError, ValueError):
            raise DatabaseUrlError(f'"{name}" names a file that cannot be read, or holds something else') from None
