"""Refuse a request with an unknown Host header, as DNS rebinding sends it. For all of the internal listener."""

from aiohttp import web
from aiohttp.typedefs import Handler
from yarl import URL

from service.admin import keys
from service.config import Config

LOCAL = ("localhost", "127.0.0.1", "::1")


@web.middleware
async def known_host(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse a host that is neither local nor configured, so that no other site can read the console or the metrics.

    The address that the connection was made to is accepted as well: DNS rebinding always has a name.
    """
    host = host_name(request.headers.get("Host", ""))
    if host not in known_hosts(request.config_dict[keys.CONFIG]) and host != _own_address(request):
        raise web.HTTPMisdirectedRequest(
            text="This host name is unknown here: add it to console.allowed_hosts.\n",
            headers={"Cache-Control": "no-store"},
        )
    return await handler(request)


def known_hosts(config: Config) -> set[str]:
    """The host names of the listener: the local ones, the listen address, and `console.allowed_hosts`."""
    return {name.lower().strip("[]") for name in (*LOCAL, config.console.host, *config.console.allowed_hosts)}


def host_name(header: str) -> str | None:
    """The lower-case host name in a Host header, without the port; None if the header is invalid."""
    try:
        url = URL(f"http://{header}")
        return url.host.lower() if url.host and url.raw_authority == header.lower() else None
    except ValueError:
        return None


def _own_address(request: web.Request) -> str | None:
    """The address of this machine that the connection was made to; None if it is unknown."""
    name = request.get_extra_info("sockname")
    return name[0].lower() if isinstance(name, tuple) else None
