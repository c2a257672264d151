"""The middlewares of the console, outermost first."""

from service.admin.console.middlewares.csrf import csrf
from service.admin.console.middlewares.error_pages import error_pages
from service.admin.console.middlewares.logged_in import logged_in
from service.admin.console.middlewares.same_origin import same_origin

CONSOLE = (error_pages, same_origin, logged_in, csrf)
