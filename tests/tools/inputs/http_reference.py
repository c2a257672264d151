"""What a stream of bytes is as HTTP, as h11 reads it: how many requests, of which kind, and how it ends."""

from dataclasses import dataclass, field
from typing import Literal

import h11

End = Literal["between", "within", "broken", "closed"]


@dataclass
class Read:
    """`requests` are the methods and targets of those that are complete.

    What comes after them is nothing (`between` two), a part of one (`within`), no HTTP (`broken`), or of no interest,
    since the last request asked to close.
    """

    requests: list[tuple[bytes, bytes]] = field(default_factory=list)
    end: End = "between"


def read(octets: bytes) -> Read:
    """The requests in `octets`."""
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
    connection.receive_data(octets)
    found = Read()
    begun: list[tuple[bytes, bytes]] = []
    while True:
        try:
            event = connection.next_event()
        except h11.RemoteProtocolError:
            # Empty lines before a request are to be ignored (RFC 9112, 2.2), and nothing else is there.
            found.end = "broken" if connection.trailing_data[0].strip(b"\r\n") else "between"
            return found
        if isinstance(event, h11.Request):
            begun = [(event.method, event.target)]
        elif isinstance(event, h11.EndOfMessage):
            found.requests += begun
            begun = []
            if not _answered(connection):
                found.end = "closed"
                return found
        elif event is h11.NEED_DATA:
            found.end = "within" if begun or connection.trailing_data[0] else "between"
            return found


def _answered(connection: h11.Connection) -> bool:
    """Have the reference answer, so that it reads on; whether it does."""
    connection.send(h11.Response(status_code=200, headers=[("Content-Length", "0")]))
    connection.send(h11.EndOfMessage())
    if connection.our_state is not h11.DONE or connection.their_state is not h11.DONE:
        return False
    connection.start_next_cycle()
    return True
