"""What answers where there is nothing: every path, and every method of a path, that no other resource takes."""

from typing import NoReturn

from aiohttp import web

from service.api.handlers.expect_continue import invite_body
from service.domain.statuses import RouteNonExistent


class NotFoundResource(web.PlainResource):
    """Matches whatever there is. It is asked last, since it stands at the shortest of paths.

    Left to aiohttp, such a request would be judged by its `Expect` header before any step of ours saw it.
    """

    def __init__(self) -> None:
        """It needs no path: it has all that are left."""
        super().__init__("/")
        self.add_route("*", _refuse, expect_handler=invite_body)

    def _match(self, path: str) -> dict[str, str]:  # noqa: ARG002 - whatever it is
        return {}


async def _refuse(_request: web.Request) -> NoReturn:
    raise RouteNonExistent
