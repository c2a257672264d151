"""What Patroni is told: docs/high-availability.md explains the same settings for a real cluster."""

from pathlib import Path
from typing import Any

# Quick, so that a round takes seconds; Patroni's own are 30, 10 and 10. A lost primary is noticed after the ttl.
TTL_SECONDS = 6
LOOP_SECONDS = 1
RETRY_SECONDS = 2

SYNCHRONOUS = {"synchronous_mode": True}
# A standby that is far behind would not be promoted by default, however little choice there is.
ASYNCHRONOUS = {"synchronous_mode": False}


def cluster_settings() -> dict[str, Any]:
    """What all nodes share, kept in etcd."""
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
    """The file of one node."""
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
