"""Create the records that tests need. Each method creates one record, with defaults for every column."""

import secrets
from dataclasses import dataclass
from datetime import timedelta

import asyncpg

from service.api.actions import ACTIONS
from service.domain.callers import digest
from service.storage import applications, registry, users

CREATE = "/api/v1/requirements/create"
READ = "/api/v1/requirements/read"
UPDATE = "/api/v1/requirements/update"
INDEX = "/api/v1/requirements/index"
CLOSURE = "/api/v1/requirements/closure"
CHANGES = "/api/v1/requirements/changes"
PATH = "/api/v1/requirements/path"

# The route records of create and of all actions: service, version, action.
ROUTE = ("requirements", "v1", "create")
ROUTES = [action.route for action in ACTIONS]


@dataclass(frozen=True)
class AppRecord:
    """An application and one of its tokens."""

    id: int
    slug: str
    token: str


@dataclass(frozen=True)
class SessionRecord:
    """A session, its user and its token."""

    id: int
    user_id: int
    email: str
    token: str


class Records:
    """Creates records over one connection."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self.connection = connection

    async def deploy(self, *, sensitive_params: bool = False, route: tuple[str, str, str] | None = None) -> None:
        """Deploy the routes of all actions, or only `route`, and their service."""
        names = [route] if route else ROUTES
        await registry.deploy_routes(self.connection, names, sensitive_params=sensitive_params)

    async def application(self, slug: str | None = None) -> AppRecord:
        """Create an active application with a token."""
        slug = slug or f"app-{secrets.token_hex(4)}"
        application_id = await applications.create_application(self.connection, slug, slug.title())
        issued = await applications.issue_application_token(self.connection, slug)
        assert application_id is not None
        assert issued is not None
        return AppRecord(application_id, slug, issued[1])

    async def user(self, *roles: str) -> tuple[int, str]:
        """Create a user with these roles; return the id and e-mail address."""
        email = f"{secrets.token_hex(4)}@example.com"
        user_id = await users.create_user(self.connection, email)
        assert user_id is not None
        for role in roles:
            await users.give_role(self.connection, user_id, role)
        return user_id, email

    async def session(
        self,
        *roles: str,
        application_id: int | None = None,
        remember_me: bool = False,
        age: timedelta = timedelta(0),
        idle: timedelta = timedelta(0),
    ) -> SessionRecord:
        """Create a user, by default with the role client, and a session. See `session_of` for the arguments."""
        user_id, email = await self.user(*(roles or ("client",)))
        return await self.session_of(
            user_id, email, application_id=application_id, remember_me=remember_me, age=age, idle=idle
        )

    async def session_of(
        self,
        user_id: int,
        email: str,
        *,
        application_id: int | None = None,
        remember_me: bool = False,
        age: timedelta = timedelta(0),
        idle: timedelta = timedelta(0),
    ) -> SessionRecord:
        """Create a session of an existing user, created `age` ago and last used `idle` ago by the database's clock."""
        token = secrets.token_urlsafe(32)
        session_id = await self.connection.fetchval(
            """
            INSERT INTO sessions (user_id, application_id, token_digest, remember_me, created_at, last_used_at)
            VALUES ($1, $2, $3, $4, now() - $5::interval, now() - $6::interval)
            RETURNING id
            """,
            user_id,
            application_id,
            digest(token),
            remember_me,
            age,
            idle,
        )
        return SessionRecord(session_id, user_id, email, token)

    async def count(self) -> int:
        """The number of requirements."""
        count: int = await self.connection.fetchval("SELECT count(*) FROM requirements")
        return count


def params(token: str, user_id: int, **changes: object) -> dict[str, object]:
    """The params of a valid create. Both references are to the user; `changes` replace or add params."""
    reference = {"type": "User", "id": user_id}
    return {"token": token, "required": reference, "requireable": reference, **changes}
