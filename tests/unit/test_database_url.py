"""Database URLs: what libpq takes and hosting services hand out is understood, or refused with one line."""

import os
from pathlib import Path

import certifi
import pytest

from service.config.database_url import DatabaseUrl, Keepalive, parse_database_url
from service.config.libpq_parameters import DatabaseUrlError

SECRET = "hunter2-is-secret"
NOT_SUPPORTED = "is not supported: take it out"

# Every connection parameter of libpq in PostgreSQL 15 to 18, with a value that works, or None. Then one that is refused
# and a part of the message, or None. https://www.postgresql.org/docs/18/libpq-connect.html#LIBPQ-PARAMKEYWORDS
PARAMETERS: dict[str, tuple[str | None, tuple[str, str] | None]] = {
    "host": ("db.example", ("a..b", "a host with an empty or invalid part")),
    "hostaddr": (None, ("127.0.0.1", "name the address as the host")),
    "port": ("5433", ("99999", "a port is 1 to 65535")),
    "dbname": ("d", None),
    "user": ("u", None),
    "password": ("p", None),
    "passfile": ("/etc/passfile", None),
    "require_auth": (None, ("scram-sha-256", NOT_SUPPORTED)),
    "channel_binding": ("prefer", ("require", "take it out, and set sslmode=verify-full")),
    "connect_timeout": ("15", ("soon", "must be a whole number")),
    "client_encoding": ("UTF8", ("LATIN1", "must be UTF8: take it out")),
    "options": ("-c geqo=off", None),
    "application_name": ("billing", None),
    "fallback_application_name": ("billing", None),
    "keepalives": ("0", ("maybe", "must be a whole number")),
    "keepalives_idle": ("30", ("x", "must be a whole number")),
    "keepalives_interval": ("5", ("x", "must be a whole number")),
    "keepalives_count": ("3", ("x", "must be a whole number")),
    "tcp_user_timeout": ("10000", ("99999999999", "must be a whole number")),
    "replication": ("false", ("database", "is not for this service: take it out")),
    "gssencmode": ("prefer", ("require", "take it out, and use sslmode")),
    "sslmode": ("verify-full", ("no-verify", "must be disable, allow, prefer, require, verify-ca or verify-full")),
    "sslnegotiation": ("direct", ("fast", "must be postgres or direct")),
    "sslcompression": ("1", None),
    "sslcert": (__file__, ("/nowhere", "names a file that cannot be read")),
    "sslkey": (__file__, ("/nowhere", "names a file that cannot be read")),
    "sslkeylogfile": (None, ("/keys", NOT_SUPPORTED)),
    "sslpassword": ("p", None),
    "sslcertmode": ("allow", ("require", NOT_SUPPORTED)),
    "sslrootcert": ("system", (__file__, "holds something else")),
    "sslcrl": (None, ("/nowhere", "names a file that cannot be read")),
    "sslcrldir": (None, ("/crl", NOT_SUPPORTED)),
    "sslsni": ("1", ("0", "cannot be turned off: take it out")),
    "requirepeer": (None, ("postgres", NOT_SUPPORTED)),
    "ssl_min_protocol_version": ("TLSv1.2", ("SSLv3", "is not a version of TLS")),
    "ssl_max_protocol_version": ("TLSv1.3", ("2", "is not a version of TLS")),
    "min_protocol_version": ("3.0", ("3.2", "must be 3.0")),
    "max_protocol_version": ("latest", ("2", "must be 3.0, 3.2 or latest")),
    "krbsrvname": ("postgres", None),
    "gsslib": ("gssapi", ("other", "must be gssapi or sspi")),
    "gssdelegation": ("0", ("1", NOT_SUPPORTED)),
    "scram_client_key": (None, ("key", NOT_SUPPORTED)),
    "scram_server_key": (None, ("key", NOT_SUPPORTED)),
    "service": (None, ("nothing", "names a service that its service file does not define")),
    "servicefile": ("/nowhere", None),
    "target_session_attrs": ("read-write", ("standby", "must be any, primary or read-write")),
    "load_balance_hosts": ("random", None),
    "oauth_issuer": (None, ("https://example.com", NOT_SUPPORTED)),
    "oauth_client_id": (None, ("id", NOT_SUPPORTED)),
    "oauth_client_secret": (None, ("secret", NOT_SUPPORTED)),
    "oauth_scope": (None, ("scope", NOT_SUPPORTED)),
}
WORKING = [(name, value) for name, (value, _) in PARAMETERS.items() if value is not None]
REFUSED = [(name, *refused) for name, (_, refused) in PARAMETERS.items() if refused is not None]

SERVERS = [
    ("postgresql://h:5432/d", [("h", 5432)]),
    ("postgres://h/d", [("h", None)]),
    ("postgresql://a:1,b:2/d", [("a", 1), ("b", 2)]),
    ("postgresql://a,[::1]:5/d", [("a", None), ("::1", 5)]),
    ("postgresql://u@[::1]/d", [("::1", None)]),
    ("postgresql://[fe80::1%25eth0]:5/d", [("fe80::1%eth0", 5)]),
    ("postgresql://%2Frun%2Fpostgresql/d", [("/run/postgresql", None)]),
    ("postgresql:///d?host=/tmp,/run", [("/tmp", None), ("/run", None)]),  # noqa: S108 - not used
    ("postgresql:///d?host=a,b&port=1,2", [("a", 1), ("b", 2)]),
    ("postgresql:///d?host=::1&port=5", [("::1", 5)]),
    ("postgresql://a,b/d?port=6", [("a", 6), ("b", 6)]),
    ("postgresql://a:1/d?host=/run", [("/run", None)]),
    ("postgresql:///d?port=6", [(None, 6)]),
    ("postgresql://:6/d", [(None, 6)]),
    ("postgresql://", [(None, None)]),
    ("postgresql://db.example./d", [("db.example.", None)]),
    ("postgresql://bücher.example/d", [("bücher.example", None)]),
]

ACCOUNTS = [
    ("postgresql://u:p@h/d", "u", "p", "d"),
    ("postgresql://u%40x:p%2Fq%25@h/d%20e", "u@x", "p/q%", "d e"),
    ("postgresql://u:p#q?r&s=t@h/d", "u", "p#q?r&s=t", "d"),
    ("postgresql://u:p@q@h/d", "u", "p@q", "d"),
    ("postgresql://h?user=u&password=a+b&dbname=d", "u", "a+b", "d"),
    ("postgresql://u:p@h/d?password=other&dbname=e", "u", "other", "e"),
    ("postgresql://u@h?sslmode=require", "u", None, None),
    ("postgresql://u:@h/", "u", None, None),
]

# As in the documentation of each service, with another password.
HANDED_OUT = [
    "postgres://u:p@ec2-1-2-3-4.compute-1.amazonaws.com:5432/d",
    "postgres://u:p@dpg-a-a.frankfurt-postgres.render.com/d?sslmode=require",
    "postgresql://u:p@ep-a-b-123.eu-central-1.aws.neon.tech/d?sslmode=require",
    "postgresql://u:p@h/d?sslmode=require&options=endpoint%3Dep-a-b-123",
    "postgresql://postgres.ref:p@aws-0-eu-central-1.pooler.supabase.com:5432/postgres",
    "postgresql://u:p@pg.aivencloud.com:12345/defaultdb?sslmode=require&connect_timeout=10",
    "postgresql://doadmin:p@db.db.ondigitalocean.com:25060/defaultdb?sslmode=require",
    "postgresql://u%40s:p@s.postgres.database.azure.com:5432/postgres?sslmode=require",
    "postgresql://u:p@a.db:26257,b.db:26257/d?target_session_attrs=read-write&load_balance_hosts=random",
    "postgres://u:p@/d?host=/cloudsql/project:region:instance",
    "postgresql://u:p@h/d?ssl=true",
]

UNUSABLE = [
    ("postgresql://a..b/d", "an empty or invalid part"),
    (f"postgresql://{'a' * 64}.example/d", "an empty or invalid part"),
    ("postgresql://.example/d", "an empty or invalid part"),
    ("postgresql://a,,b/d", "names an empty host"),
    ("postgresql://%40socket/d", "an abstract socket"),
    ("postgresql:///d?host=h:5", 'use "port"'),
    ("postgresql://a,b/d?port=1,2,3", "one port, or one for each host"),
    ("postgresql://h:0/d", "a port is 1 to 65535"),
    (f"postgresql://h:{'9' * 5000}/d", "a port is 1 to 65535"),
    ("postgresql://h/d%00", "must not contain %00"),
    (f"postgresql://u:p@h/d?{SECRET}", "a parameter without a value"),
    (f"postgresql://u:p@h/d?a {SECRET}=1", "where a parameter of libpq must be: take it out"),
    ("postgresql://h/d?pgbouncer=true", 'has "pgbouncer" where a parameter of libpq must be: take it out; if the addr'),
    ("postgresql://h/d?connection_limit=1", 'has "connection_limit" where a parameter of libpq must be: take it out'),
    ("postgresql://h/d?schema=app", 'has "schema" where a parameter of libpq must be: take it out, and set database.s'),
    ("postgresql://h/d?sslrootcert=system&sslmode=require", "needs sslmode=verify-full"),
    ("postgresql://h/d?sslrootcert=system&sslcrl=/x", "cannot be used with sslrootcert=system"),
    (f"host=h user=u password={SECRET}", "must be an address such as postgresql://"),
    (f"mysql://u:{SECRET}@h/d", "must be an address such as postgresql://"),
    (f"postgresql://u:a/{SECRET}@h/d", "must be an address such as postgresql://"),
    ("postgresql://[::1/d", "must be an address such as postgresql://"),
]


@pytest.mark.parametrize(("name", "value"), WORKING)
def test_parameters_that_work(name: str, value: str) -> None:
    """Each parameter of libpq that the service can follow is accepted."""
    assert parse_database_url(f"postgresql://u@h/d?{name}={value.replace(' ', '%20')}").servers


@pytest.mark.parametrize(("name", "value", "message"), REFUSED)
def test_parameters_that_are_refused(name: str, value: str, message: str) -> None:
    """Each value that the service cannot follow is refused in one line, which names the parameter and the remedy."""
    with pytest.raises(DatabaseUrlError) as error:
        parse_database_url(f"postgresql://u@h/d?{name}={value}")
    assert message in str(error.value)
    assert name in str(error.value) or name in ("host", "port", "service")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("url", "servers"), SERVERS)
def test_servers(url: str, servers: list[tuple[str | None, int | None]]) -> None:
    """Hosts, ports and folders of sockets are read from the authority and the parameters, as libpq reads them."""
    assert list(parse_database_url(url).servers) == servers


@pytest.mark.parametrize(("url", "user", "password", "database"), ACCOUNTS)
def test_account(url: str, user: str, password: str | None, database: str | None) -> None:
    """User, password and database are decoded. A password may hold characters that end other parts of a URL."""
    parsed = parse_database_url(url)
    assert (parsed.user, parsed.password, parsed.database) == (user, password, database)


@pytest.mark.parametrize("url", HANDED_OUT)
def test_urls_of_hosting_services(url: str) -> None:
    """The connection strings that hosting services hand out are accepted."""
    assert isinstance(parse_database_url(url), DatabaseUrl)


@pytest.mark.parametrize(("url", "message"), UNUSABLE)
def test_unusable_urls(url: str, message: str) -> None:
    """A URL that cannot work is refused in one line without secrets."""
    with pytest.raises(DatabaseUrlError) as error:
        parse_database_url(url)
    assert message in str(error.value)
    assert "\n" not in str(error.value)
    assert SECRET not in str(error.value)


def test_values_are_kept() -> None:
    """Settings of TCP, time and TLS reach the connection."""
    query = (
        "connect_timeout=15&keepalives_idle=30&keepalives_interval=6&keepalives_count=2&tcp_user_timeout=9000"
        "&options=-c%20geqo%3Doff&application_name=billing&sslmode=require&ssl_min_protocol_version=TLSv1.3"
    )
    parsed = parse_database_url(f"postgresql://h/d?{query}")
    assert parsed.connect_timeout_seconds == 15
    assert parsed.keepalive == Keepalive(idle_seconds=30, interval_seconds=6, probes=2, user_timeout_milliseconds=9000)
    assert (parsed.options, parsed.application_name) == ("-c geqo=off", "billing")
    assert parsed.tls == {"sslmode": "require", "ssl_min_protocol_version": "TLSv1.3"}
    assert not parse_database_url("postgresql://h/d?keepalives=0").keepalive.enabled
    assert parse_database_url("postgresql://h/d?ssl=true").tls == {"sslmode": "require"}
    assert parse_database_url("postgresql://h/d?sslrootcert=system").system_roots


def test_a_root_certificate() -> None:
    """A file of root certificates is accepted, and the driver gets it."""
    assert parse_database_url(f"postgresql://h/d?sslrootcert={certifi.where()}").tls == {"sslrootcert": certifi.where()}


@pytest.mark.parametrize("way", ["environment", "parameter"])
def test_a_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    """`service` reads the service file. What the URL says itself takes precedence."""
    path = tmp_path / "services"
    path.write_text(f"# ours\n[main]\nhost=a\nport=6\nuser=u\npassword={SECRET}%x\ndbname=d\nsslmode=require\n")
    query = "service=main"
    if way == "environment":
        monkeypatch.setenv("PGSERVICEFILE", str(path))
    else:
        query += f"&servicefile={path}"
    parsed = parse_database_url(f"postgresql:///?{query}")
    assert (parsed.servers, parsed.user, parsed.database) == ((("a", 6),), "u", "d")
    assert parsed.tls == {"sslmode": "require"}
    assert f"{SECRET}%x" in parsed.secrets
    other = parse_database_url(f"postgresql://me@b/?{query}")
    assert (other.servers, other.user, other.database) == ((("b", None),), "me", "d")


@pytest.mark.parametrize("content", ["host=a\n", "[main\n", b"\xff".decode("latin-1")])
def test_an_unreadable_service_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str) -> None:
    """A service file that is not one is reported in one line."""
    path = tmp_path / "services"
    path.write_bytes(content.encode("latin-1"))
    monkeypatch.setenv("PGSERVICEFILE", str(path))
    with pytest.raises(DatabaseUrlError, match="its service file cannot be read"):
        parse_database_url("postgresql:///?service=main")


def test_a_user_without_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process whose user has no name, as in a container, needs a user in the URL."""
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME", "PGUSER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 4_000_000_000)
    with pytest.raises(DatabaseUrlError, match="must name a user"):
        parse_database_url("postgresql://h/d")
    assert parse_database_url("postgresql://u@h/d").user == "u"


def test_secrets_are_not_shown() -> None:
    """Passwords are not in the repr. They are among the secrets, as written and decoded."""
    url = f"postgresql://u:{SECRET}%21@h/d?password={SECRET}%22&sslpassword={SECRET}%23"
    parsed = parse_database_url(url)
    assert SECRET not in repr(parsed)
    assert set(parsed.secrets) == {f"{SECRET}{end}" for end in ("%21", "!", "%22", '"', "%23", "#")}
