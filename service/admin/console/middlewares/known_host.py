"""Refuses a browser that was led here under a name of someone else's."""

from aiohttp import web
from aiohttp.typedefs import Handler
from yarl import URL

from service.admin import keys
from service.config import Config

LOCAL = ("localhost", "127.0.0.1", "::1")


@web.middleware
async def known_host(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer only under a name that is ours: a page whose own name is made to point here gets nothing to read."""
    if host_name(request.headers.get("Host", "")) not in known_hosts(request.config_dict[keys.CONFIG]):
        raise web.HTTPMisdirectedRequest(text="This host is not in console.allowed_hosts.")
    return await handler(request)


def known_hosts(config: Config) -> set[str]:
    """The names of this machine under which the console may be reached."""
    return {name.lower().strip("[]") for name in (*LOCAL, config.console.host, *config.console.allowed_hosts)}


def host_name(header: str) -> str | None:
    """The name in a Host header, without its port; None for what is none."""
    try:
        url = URL(f"http://{header}")
        return url.host.lower() if url.host and url.raw_authority == header.lower() else None
    except ValueError:
        return None
