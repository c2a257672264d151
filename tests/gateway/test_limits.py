"""nginx's limits are consistent with the service's."""

import re

import pytest

from service.config import load_config
from service.domain.feed import MAX_WAIT_SECONDS
from tests.gateway.nginx import SHIPPED

SERVER = load_config(None, {}).server
TEXT = "\n".join(path.read_text() for path in SHIPPED.glob("*.conf"))

# How long a stopping service answers with `Connection: close` before it stops accepting connections.
DRAINING_SECONDS = 5


def values(directive: str, unit: str) -> set[int]:
    """Every value of a directive, in this unit."""
    return {int(number) for number in re.findall(rf"^ *{directive} (\d+){unit};", TEXT, re.MULTILINE)}


def test_bodies() -> None:
    """Nginx accepts bodies of exactly the service's maximum size."""
    assert {size * 2**20 for size in values("client_max_body_size", "m")} == {SERVER.max_body_bytes}
    assert f"at most {SERVER.max_body_bytes} bytes long" in TEXT


def test_keep_alive_timeouts() -> None:
    """Nginx closes an idle connection to the service before the service does, also during a stop."""
    upstream = re.search(r"upstream requirements {[^}]*keepalive_timeout (\d+)s;", TEXT)
    assert upstream
    assert int(upstream[1]) <= DRAINING_SECONDS < SERVER.keepalive_seconds


@pytest.mark.parametrize("directive", ["proxy_read_timeout", "proxy_send_timeout"])
def test_the_service_times_out_first(directive: str) -> None:
    """Nginx's timeout for a request is longer than the service's, also if the request waits for a change."""
    seconds = values(directive, "s")
    assert min(seconds) > SERVER.request_timeout_seconds
    if directive == "proxy_read_timeout":
        assert max(seconds) > SERVER.request_timeout_seconds + MAX_WAIT_SECONDS


@pytest.mark.parametrize("directive", ["client_header_timeout", "client_body_timeout"])
def test_timeouts_of_callers(directive: str) -> None:
    """Nginx waits as long for a stalled caller as the service does."""
    assert values(directive, "s") == {SERVER.body_timeout_seconds}
