"""The listening socket that all workers share."""

import errno
import socket

from service.config import ConfigError

# How many connections may wait to be accepted. The kernel limits this to net.core.somaxconn.
BACKLOG = 1024


class PortTakenError(Exception):
    """Another process listens on the port. The message is one line that says what to do."""


def listen(host: str, port: int, setting: str = "PORT") -> socket.socket:
    """Return a listening socket that child processes can inherit.

    `setting` names what to change when the port is taken. Raises `PortTakenError`, or `ConfigError` for an address that
    this machine does not have.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.create_server(address[:2], family=family, backlog=BACKLOG)
    except UnicodeError:
        raise ConfigError(f"cannot listen on {host!r}: not a valid host name") from None
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            advice = f"stop the other process, or choose another {setting}"
            raise PortTakenError(f"{host}:{port} is taken: {advice}") from None
        raise ConfigError(f"cannot listen on {host}:{port}: {error.strerror or error}") from None
    listener.set_inheritable(True)
    listener.setblocking(False)  # noqa: FBT003 - the library's signature
    return listener


def url_of(listener: socket.socket) -> str:
    """The URL at which this machine reaches `listener`."""
    host, port = listener.getsockname()[:2]
    if host in ("0.0.0.0", "::"):  # noqa: S104 - compared, not bound
        host = "localhost"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
