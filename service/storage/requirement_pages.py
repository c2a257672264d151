"""Requirements, page by page: the queries of lists, for the console and the API."""

from service.database.queries import QUERIES
from service.domain.references import Reference
from service.storage.pages import PAGE_SIZE, Page, page_of
from service.storage.statements import Executor, fetch


async def list_requirements(executor: Executor, before: int) -> Page:
    """The requirements before an id, newest first."""
    return page_of(await fetch(executor, QUERIES["list_requirements"], before, PAGE_SIZE + 1), "id")


async def list_requirements_by_required(executor: Executor, before: int, required: Reference) -> Page:
    """The requirements before an id whose required reference is `required`, newest first."""
    query = QUERIES["list_requirements_by_required"]
    return page_of(await fetch(executor, query, before, PAGE_SIZE + 1, required.type, required.id), "id")


async def list_requirements_by_requireable(executor: Executor, before: int, requireable: Reference) -> Page:
    """The requirements before an id whose requireable reference is `requireable`, newest first."""
    query = QUERIES["list_requirements_by_requireable"]
    return page_of(await fetch(executor, query, before, PAGE_SIZE + 1, requireable.type, requireable.id), "id")


async def list_requirements_by_key(executor: Executor, before: int, key: str) -> Page:
    """The requirements before an id that have a key, newest first."""
    return page_of(await fetch(executor, QUERIES["list_requirements_by_key"], before, PAGE_SIZE + 1, key), "id")
