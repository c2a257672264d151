"""No secret leaves: each is looked for, in every form, in all that the running service puts out."""

import asyncio
import base64
import json
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from datetime import timedelta
from pathlib import Path
from secrets import token_urlsafe

import psutil
from yarl import URL

from tests.factories import params
from tests.mail.mandrill_server import answering, failing, hang_up
from tests.security.conftest import Watched
from tests.security.forms import forms, sightings, with_digests
from tests.security.odd_places import Request, as_json, malformed, right, wrong
from tests.serving.process import until

PAGES = ("", "notifications", "requirements", "registry", "access", "audit", "login")

ROWS = "SELECT string_agg(told::text, chr(10)) FROM {table} AS told"
KEPT = ("notifications", "emails", "audit", "notification_windows", "requirements")

EXPECTED = {
    "action-successful",
    "mandrill-email-failed",
    "application-crash",
    "invalid-token",
    "session-expired",
    "client-required",
    "missing-param",
    "invalid-param",
    "invalid-content-type",
    "invalid-encoded-params",
    "no-params-decoded",
    "route-non-existent",
    "route-not-found",
    "service-not-found",
}


class Sweep:
    """Asks, and keeps what was answered."""

    def __init__(self, watched: Watched) -> None:
        self.watched = watched
        self.answers: list[str] = []
        self.statuses: Counter[str] = Counter()

    async def ask(self, requests: Iterable[Request]) -> None:
        """Each is answered as expected, or, where that is a crash, with one."""
        for request in requests:
            url = f"{self.watched.serve.url}{request.path}"
            sent = self.watched.http.request(request.method, url, data=request.body, headers=request.headers)
            async with sent as response:
                text = await response.text()
                self.answers.append(f"{response.raw_headers!r} {text}")
                status = json.loads(text)["status"]
            assert status == request.status, (request, text)
            self.statuses[status] += 1

    async def send(self, texts: Iterable[bytes]) -> None:
        """Each is refused by the server itself, which may say the broken line back to whoever sent it."""
        address = URL(self.watched.serve.url)
        for text in texts:
            reader, writer = await asyncio.open_connection(address.host, address.port)
            writer.write(text)
            answer = await reader.read()
            assert b" 400 " in answer.split(b"\r\n")[0], answer
            writer.close()


async def drive(watched: Watched) -> tuple[Sweep, dict[str, str]]:
    """Bring about every status that callers can; gives also the tokens that were used."""
    sweep = Sweep(watched)
    async with watched.records() as records:
        user_id, _ = await records.user()
        application, session = await records.application(), await records.session()
        over, bare = await records.session(age=timedelta(days=8)), await records.session()
        await records.connection.execute("DELETE FROM clients WHERE user_id = $1", bare.user_id)
        unknown = token_urlsafe(32)
        for token in (application.token, session.token):
            await sweep.ask([*right(token, user_id), *wrong(token, user_id)])
            await sweep.send(malformed(token))
        await sweep.ask(
            [
                as_json("invalid-token", params(unknown, user_id), User_Agent=unknown),
                as_json("session-expired", params(over.token, user_id), Authorization=f"Bearer {over.token}"),
                as_json("client-required", params(bare.token, user_id)),
            ]
        )
        # The one place for a token: the caller's own session, shown to that caller.
        assert all(bare.token not in answer for answer in sweep.answers[:-1])
        assert bare.token in sweep.answers.pop()
        asked = as_json("mandrill-email-failed", params(application.token, user_id), User_Agent=application.token)
        for behaviour in (failing(500), failing(401, "Invalid_Key"), hang_up):
            watched.mandrill.behaviour = behaviour
            await sweep.ask([asked])
        watched.mandrill.behaviour = answering("sent")
        await break_things(watched, sweep, user_id, application.token)
        # Left as it is: what Mandrill said, its own key in it, is kept with an e-mail that still waits.
        watched.mandrill.behaviour = failing(401, "Invalid_Key")
        await sweep.ask([asked])
    tokens = {"application token": application.token, "session token": session.token}
    return sweep, tokens | {"unknown token": unknown, "expired token": over.token, "token without role": bare.token}


async def break_things(watched: Watched, sweep: Sweep, user_id: int, token: str) -> None:
    """Crash in the database's errors, in an absent database, and by what is withdrawn."""
    crash = as_json("application-crash", params(token, user_id), User_Agent=token, Referer=f"http://{token}/")
    async with watched.records() as records:
        execute = records.connection.execute
        # The server commits later than it says, for tests to be fast; what is undone here must outlive the kill.
        await execute("SET synchronous_commit = on")
        for table in ("requirements", "application_tokens"):
            await execute(f"ALTER TABLE {table} RENAME TO broken")
            await sweep.ask([crash, crash])
            await execute(f"ALTER TABLE broken RENAME TO {table}")
        for table, status in (("routes", "route-not-found"), ("services", "service-not-found")):
            await execute(f"UPDATE {table} SET deployed_at = NULL")  # noqa: S608 - a name of ours
            await settles(watched, as_json(status, params(token, user_id)))
            await sweep.ask([as_json(status, params(token, user_id))])
            await execute(f"UPDATE {table} SET deployed_at = now()")  # noqa: S608 - as above
            await settles(watched, as_json("missing-param", {"token": token}))
    await watched.postgres.kill()
    await sweep.ask([crash, crash])
    await watched.postgres.start()
    await settles(watched, as_json("action-successful", params(token, user_id)))


async def settles(watched: Watched, request: Request) -> None:
    """Wait until both workers surely answer so: often enough in a row."""
    times = 0
    # A request that was under way when the database went may take all of its ten seconds, on either worker.
    async with asyncio.timeout(60):
        while times < 12:
            sent = watched.http.post(f"{watched.serve.url}{request.path}", data=request.body, headers=request.headers)
            async with sent as response:
                times = times + 1 if (await response.json())["status"] == request.status else 0


async def console(watched: Watched) -> AsyncIterator[tuple[str, str]]:
    """The console's pages and the metrics, after logging in with a wrong password and the right one."""
    pages, right_one = f"{watched.console}/console", watched.secrets.console_password
    origin = {"Origin": watched.console}
    cookies = ""
    for password in (right_one + "x", right_one):
        form = {"name": "Ada", "password": password}
        async with watched.http.post(f"{pages}/login", data=form, headers=origin, allow_redirects=False) as response:
            yield "login", await response.text()
            cookies = "; ".join(f"{name}={morsel.value}" for name, morsel in response.cookies.items())
    assert cookies
    for page in PAGES:
        async with watched.http.get(f"{pages}/{page}", headers={"Cookie": cookies}) as response:
            assert response.status == 200
            yield f"page {page}", await response.text()
    async with watched.http.get(f"{watched.console}/metrics") as response:
        yield "metrics", await response.text()


async def outputs(watched: Watched, sweep: Sweep) -> dict[str, str]:
    """All that left the service, by where it went."""
    found = {"answers": "\n".join(sweep.answers), "processes": command_lines()}
    async for name, text in console(watched):
        found[name] = found.get(name, "") + text
    async with watched.postgres.connection() as connection:
        for table in KEPT:
            found[table] = await connection.fetchval(ROWS.format(table=table)) or ""
        found["statements"] = await connection.fetchval(
            "SELECT string_agg(query || application_name, chr(10)) FROM pg_stat_activity WHERE usename = 'canary'"
        )
    assert await watched.serve.stop() == 0
    found["output"] = "\n".join(watched.serve.output)
    found["errors"] = "\n".join(watched.serve.errors)
    # A DSN's key is how Sentry tells a project: each envelope names it, to Sentry alone.
    found["sentry"] = "\n".join(watched.sentry.envelopes).replace(f'"public_key":"{watched.secrets.sentry_key}"', "")
    return found


def command_lines() -> str:
    """How every process on this machine was started. Its environment is its owner's alone, and is left out."""
    lines = []
    for process in psutil.process_iter():
        path = Path(f"/proc/{process.pid}/cmdline")
        lines.append(path.read_bytes().replace(b"\0", b" ").decode(errors="replace") if path.exists() else "")
    return "\n".join(lines)


async def test_no_secret_leaves(watched: Watched) -> None:
    """In no log line, event, metric, page, row, answer, statement or command line is a secret of anyone's."""
    sweep, tokens = await drive(watched)
    assert set(sweep.statuses) == EXPECTED
    await until(lambda: len(watched.sentry.envelopes) >= 5)
    found = await outputs(watched, sweep)
    own = {name.replace("_", " "): value for name, value in vars(watched.secrets).items()}
    secrets = with_digests(tokens) | own
    seen = {name: list(sightings(text, secrets)) for name, text in found.items()}
    assert {name: places for name, places in seen.items() if places} == {}
    # Each place was really looked at: it holds what it is there to hold.
    telling = {"output": "request-failed", "sentry": "exception", "metrics": "requirements_", "statements": "SELECT"}
    telling |= {
        "notifications": "email-failed",
        "emails": "Invalid_Key",
        "processes": "service serve",
        "page ": "<html",
    }
    assert [name for name, word in telling.items() if word not in found[name]] == []


def test_every_form_is_found() -> None:
    """What the sweep looks for is found in each form, whatever stands around it."""
    secret = 'a/b+c "d" é' + token_urlsafe(12)
    for form in forms(secret):
        assert list(sightings(f"before {form} after", {"it": secret})), form
    for before in ("", "x", "xy"):
        text = base64.b64encode(f'{before}{{"token": "{secret}"}}'.encode()).decode()
        assert list(sightings(text, {"it": secret}))
    assert list(sightings(token_urlsafe(4000), {"it": secret})) == []
