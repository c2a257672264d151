"""What stands before every page of the console, in the order in which a request meets it."""

from service.console.middlewares.csrf import csrf
from service.console.middlewares.error_pages import error_pages
from service.console.middlewares.known_host import known_host
from service.console.middlewares.logged_in import logged_in
from service.console.middlewares.same_origin import same_origin

CONSOLE = (error_pages, known_host, same_origin, logged_in, csrf)
