"""The operations console: web pages for the team."""

from aiohttp import web


def add_console(app: web.Application) -> None:
    """Add the console's pages to the internal listener's application."""
