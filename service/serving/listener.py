"""The one socket that all workers accept from."""

import errno
import socket

from service.config import ConfigError

# How many connections may wait to be accepted; the kernel caps it at net.core.somaxconn.
BACKLOG = 1024


class PortTakenError(Exception):
    """Someone else listens there. The message is one line that says what to do."""


def listen(host: str, port: int, setting: str = "PORT") -> socket.socket:
    """A listening socket that other processes can inherit; `setting` is what to change when the port is taken.

    Raises `PortTakenError`, or `ConfigError` for an address that this machine does not have.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.create_server(address[:2], family=family, backlog=BACKLOG)
    except UnicodeError:
        raise ConfigError(f"cannot listen on {host!r}: that is no host name") from None
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            advice = f"stop what listens there, or choose another {setting}"
            raise PortTakenError(f"{host}:{port} is taken: {advice}") from None
        raise ConfigError(f"cannot listen on {host}:{port}: {error.strerror or error}") from None
    listener.set_inheritable(True)
    listener.setblocking(False)  # noqa: FBT003 - the library's signature
    return listener


def url_of(listener: socket.socket) -> str:
    """The address by which this machine reaches `listener`."""
    host, port = listener.getsockname()[:2]
    if host in ("0.0.0.0", "::"):  # noqa: S104 - compared, not bound
        host = "localhost"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
