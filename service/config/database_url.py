"""Reading a database URL: every URL of libpq is either understood or refused in one line that says what to change."""

import getpass
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from urllib.parse import unquote

from service.config.libpq_parameters import KERBEROS, STANDBY, TLS, USED, DatabaseUrlError, check_parameters
from service.config.service_file import with_service

EXPECTED = "must be an address such as postgresql://user:password@host:5432/name"

# As in libpq, user and password end at an @ before the first slash. A password may hold further @, # and ?.
_URL = re.compile(
    r"postgres(?:ql)?://"
    r"(?:(?P<user>[^:@/]*)(?::(?P<password>[^/]*?))?@)?"
    r"(?P<hosts>[^/?@]*)"
    r"(?:/(?P<dbname>[^?]*))?"
    r"(?:\?(?P<query>.*))?",
    re.DOTALL,
)
_HOST = re.compile(r"(?P<host>\[[^\]]+\]|[^:\[\]]*)(?::(?P<port>\d*))?")
_MAX_PORT, _PORT_DIGITS = 65_535, 5


Server = tuple[str | None, int | None]  # a host, or a folder of sockets, and its port


@dataclass(frozen=True, slots=True)
class Keepalive:
    """TCP settings of a connection, in seconds, probes and milliseconds. None: the service's default."""

    enabled: bool = True
    idle_seconds: int | None = None
    interval_seconds: int | None = None
    probes: int | None = None
    user_timeout_milliseconds: int | None = None


@dataclass(frozen=True, slots=True)
class DatabaseUrl:
    """What a database URL says. None: the driver's default.

    `tls` and `kerberos` hold parameters of libpq for the driver. `system_roots` asks for the certificates that the
    system trusts. `secrets` must not appear in logs.
    """

    servers: tuple[Server, ...]
    user: str | None
    database: str | None
    password: str | None = field(repr=False)
    passfile: str | None
    tls: Mapping[str, str] = field(repr=False)
    system_roots: bool
    kerberos: Mapping[str, str]
    target_session_attrs: str | None
    application_name: str | None
    options: str | None = field(repr=False)
    connect_timeout_seconds: int | None
    keepalive: Keepalive
    secrets: tuple[str, ...] = field(repr=False)

    @property
    def place(self) -> str:
        """The hosts, for messages: names without ports, or sockets' folders."""
        return ", ".join(host or "localhost" for host, _ in self.servers)


def parse_database_url(text: str, *, of_standby: bool = False) -> DatabaseUrl:
    """Return what the URL says, together with the service file that it may name. Raises `DatabaseUrlError`.

    `of_standby`: it names one or more servers, and leads to one that is a standby.
    """
    match = _URL.fullmatch(text)
    if match is None:
        raise DatabaseUrlError(EXPECTED)
    if "\0" in unquote(text):
        raise DatabaseUrlError("must not contain %00")
    own = dict(_query(match["query"] or ""))
    servers = _servers_of_authority(match["hosts"])
    given = {name: _decode(match[name]) for name in ("user", "password", "dbname") if match[name]} | own
    params = with_service(given, has_hosts=bool(match["hosts"]))
    check_parameters(params, of_standby=of_standby)
    if "host" in params:
        servers = _checked_servers([(_host(host), None) for host in params["host"].split(",")])
    if "host" in params or "port" in params:
        ports = _ports(params.get("port", ""), len(servers))
        servers = [(host, port) for (host, _), port in zip(servers, ports, strict=True)]
    _check_user(params)
    system_roots = params.get("sslrootcert") == "system"
    return DatabaseUrl(
        servers=tuple(servers),
        user=params.get("user"),
        database=params.get("dbname"),
        password=params.get("password"),
        passfile=params.get("passfile"),
        tls=MappingProxyType({} if system_roots else {name: params[name] for name in sorted(TLS & params.keys())}),
        system_roots=system_roots,
        kerberos=MappingProxyType({name: params[name] for name in sorted(KERBEROS & params.keys())}),
        target_session_attrs=STANDBY if of_standby else params.get("target_session_attrs"),
        application_name=params.get("application_name"),
        options=params.get("options"),
        connect_timeout_seconds=_number(params, "connect_timeout"),
        keepalive=_keepalive(params),
        secrets=_secrets(match, params),
    )


def _keepalive(params: Mapping[str, str]) -> Keepalive:
    return Keepalive(
        enabled=_number(params, "keepalives") is not None or "keepalives" not in params,
        idle_seconds=_number(params, "keepalives_idle"),
        interval_seconds=_number(params, "keepalives_interval"),
        probes=_number(params, "keepalives_count"),
        user_timeout_milliseconds=_number(params, "tcp_user_timeout"),
    )


def _secrets(match: re.Match[str], params: Mapping[str, str]) -> tuple[str, ...]:
    """The passwords, as written and decoded: either form may appear in a message."""
    written = (match["password"], *re.findall(r"(?:^|&)(?:ssl)?password=([^&]*)", match["query"] or ""))
    found = (*written, *(_decode(text or "") for text in written), params.get("password"), params.get("sslpassword"))
    return tuple(dict.fromkeys(filter(None, found)))


def _decode(text: str) -> str:
    # A path of a socket need not be UTF-8.
    return unquote(text, errors="surrogateescape")


def _query(text: str) -> Iterator[tuple[str, str]]:
    """The parameters that have a value. As in libpq, a plus sign stands for itself."""
    for part in text.split("&") if text else ():
        name, equals, value = map(_decode, part.partition("="))
        if not equals:
            raise DatabaseUrlError("has a parameter without a value: each must be name=value")
        if name == "ssl" and value == "true":  # as libpq does, for URLs of JDBC
            name, value = "sslmode", "require"
        if value or name not in USED:
            yield name, value


def _check_user(params: Mapping[str, str]) -> None:
    if "user" in params or os.environ.get("PGUSER"):
        return
    try:
        getpass.getuser()
    except (KeyError, OSError, ImportError):
        raise DatabaseUrlError("must name a user, because this process's user has no name") from None


def _servers_of_authority(text: str) -> list[Server]:
    servers: list[Server] = []
    for part in text.split(","):
        match = _HOST.fullmatch(part)
        if match is None:
            raise DatabaseUrlError(EXPECTED)
        servers.append((_host(_decode(match["host"])), _port(match["port"] or "")))
    return _checked_servers(servers)


def _checked_servers(servers: list[Server]) -> list[Server]:
    if len(servers) > 1 and any(host is None for host, _ in servers):
        raise DatabaseUrlError("names an empty host: give each host a name")
    return servers


def _ports(text: str, count: int) -> list[int | None]:
    ports = [_port(part) for part in text.split(",")]
    if len(ports) not in (1, count):
        raise DatabaseUrlError("must name one port, or one for each host")
    return ports * count if len(ports) == 1 else ports


def _port(text: str) -> int | None:
    if text == "":
        return None
    if not text.isascii() or not text.isdigit() or len(text) > _PORT_DIGITS or not 0 < int(text) <= _MAX_PORT:
        raise DatabaseUrlError(f"{EXPECTED}: a port is 1 to 65535")
    return int(text)


def _host(text: str) -> str | None:
    host = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    if not host or host.startswith("/"):
        return host or None
    if host.startswith("@"):
        raise DatabaseUrlError("names an abstract socket, which is not supported: use a socket in a folder")
    if host.count(":") == 1:
        raise DatabaseUrlError('"host" must not contain a port: use "port"')
    try:
        host.encode("idna")
    except UnicodeError:
        raise DatabaseUrlError(
            "names a host with an empty or invalid part: each part between dots has 1 to 63 characters"
        ) from None
    return host


def _number(params: Mapping[str, str], name: str) -> int | None:
    text = params.get(name)
    if text is None:
        return None
    try:
        number = int(text)
    except ValueError:
        number = -2
    if not -1 <= number <= 2**31 - 1:
        raise DatabaseUrlError(f'"{name}" must be a whole number')
    # As in libpq: zero or less stands for the default.
    return number if number > 0 else None
