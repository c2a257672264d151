"""Parse bytes as HTTP with h11: which requests they contain, and how they end."""

from dataclasses import dataclass, field
from typing import Literal

import h11

End = Literal["between", "within", "broken", "closed"]


@dataclass
class ParsedStream:
    """`requests` are the methods and targets of the complete requests.

    `end` is what follows them: nothing (`between`), an incomplete request (`within`), invalid HTTP (`broken`), or
    bytes to ignore because the last request asked to close the connection (`closed`).
    """

    requests: list[tuple[bytes, bytes]] = field(default_factory=list)
    end: End = "between"


def parse(octets: bytes) -> ParsedStream:
    """Parse the requests in `octets`."""
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
    found = ParsedStream()
    # Empty lines before a request must be ignored (RFC 9112, 2.2). h11 accepts no bare LF among them.
    octets = octets.lstrip(b"\r\n")
    if not octets:
        return found  # for h11, no bytes are the end of the connection
    connection.receive_data(octets)
    begun: list[tuple[bytes, bytes]] = []
    while True:
        try:
            event = connection.next_event()
        except h11.RemoteProtocolError:
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
    """Answer in h11, so that it reads the next request; return whether it can."""
    connection.send(h11.Response(status_code=200, headers=[("Content-Length", "0")]))
    connection.send(h11.EndOfMessage())
    if connection.our_state is not h11.DONE or connection.their_state is not h11.DONE:
        return False
    connection.start_next_cycle()
    return True
