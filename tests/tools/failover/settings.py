"""Patroni's settings, as docs/high-availability.md explains them for a production cluster."""

from pathlib import Path
from typing import Any

# Short, so that a round takes seconds; Patroni's defaults are 30, 10 and 10. The ttl bounds failure detection.
TTL_SECONDS = 6
LOOP_SECONDS = 1
RETRY_SECONDS = 2

SYNCHRONOUS = {"synchronous_mode": True}
# By default, Patroni does not promote a standby that is far behind; see maximum_lag_on_failover.
ASYNCHRONOUS = {"synchronous_mode": False}


def cluster_settings() -> dict[str, Any]:
    """Return the settings shared by all nodes, stored in etcd."""
    return {
        "ttl": TTL_SECONDS,
        "loop_wait": LOOP_SECONDS,
        "retry_timeout": RETRY_SECONDS,
        "maximum_lag_on_failover": 1 << 30,
        **SYNCHRONOUS,
        "postgresql": {
            "use_pg_rewind": True,
            "parameters": {"max_connections": 60, "wal_log_hints": True, "wal_keep_size": "512MB"},
        },
    }


def node_settings(name: str, folder: Path, programs: Path, etcd: str, port: int, api_port: int) -> dict[str, Any]:
    """Return the configuration file of one node."""
    accounts = {"superuser": "postgres", "replication": "replicator", "rewind": "rewinder"}
    return {
        "scope": "requirements",
        "name": name,
        "restapi": {"listen": f"127.0.0.1:{api_port}", "connect_address": f"127.0.0.1:{api_port}"},
        "etcd3": {"host": etcd},
        "bootstrap": {"dcs": cluster_settings(), "initdb": [{"encoding": "UTF8"}, {"locale": "C.UTF-8"}]},
        "postgresql": {
            "listen": f"127.0.0.1:{port}",
            "connect_address": f"127.0.0.1:{port}",
            "data_dir": str(folder / "data"),
            "bin_dir": str(programs),
            "pgpass": str(folder / "pgpass"),
            "authentication": {kind: {"username": user, "password": "unused"} for kind, user in accounts.items()},
            "parameters": {"unix_socket_directories": str(folder)},
            "pg_hba": ["host all all 127.0.0.1/32 trust", "host replication all 127.0.0.1/32 trust"],
            "remove_data_directory_on_rewind_failure": True,
            "remove_data_directory_on_diverged_timelines": True,
        },
    }
