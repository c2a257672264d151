"""The limits of nginx stand in the right relation to those of the service."""

import re

import pytest

from service.config import load_config
from tests.gateway.nginx import SHIPPED

SERVER = load_config(None, {}).server
TEXT = "\n".join(path.read_text() for path in SHIPPED.glob("*.conf"))

# How long a service that stops says `Connection: close`, before it takes no more.
DRAINING_SECONDS = 5


def given(directive: str, unit: str) -> set[int]:
    """Every value that a directive has, in this unit."""
    return {int(number) for number in re.findall(rf"^ *{directive} (\d+){unit};", TEXT, re.MULTILINE)}


def test_bodies() -> None:
    """What nginx lets through is exactly what the service takes; on wrong paths no body is judged."""
    assert {size * 2**20 for size in given("client_max_body_size", "m")} == {SERVER.max_body_bytes}
    assert f"at most {SERVER.max_body_bytes} bytes long" in TEXT


def test_kept_connections() -> None:
    """Nginx lets go of an idle connection to the service before the service does, also when it stops."""
    upstream = re.search(r"upstream requirements {[^}]*keepalive_timeout (\d+)s;", TEXT)
    assert upstream
    assert int(upstream[1]) <= DRAINING_SECONDS < SERVER.keepalive_seconds


@pytest.mark.parametrize("directive", ["proxy_read_timeout", "proxy_send_timeout"])
def test_the_service_decides_first(directive: str) -> None:
    """Nginx gives up on a request only after the service would have."""
    (seconds,) = given(directive, "s")
    assert seconds > SERVER.request_timeout_seconds


@pytest.mark.parametrize("directive", ["client_header_timeout", "client_body_timeout"])
def test_callers_have_no_longer_than_at_the_service(directive: str) -> None:
    """A caller that stalls is waited for as long as the service would."""
    assert given(directive, "s") == {SERVER.body_timeout_seconds}
