"""No secret leaks: everything that the running service emits is searched for each secret, in every encoding."""

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
from tests.security.conftest import WatchedService
from tests.security.encodings import encodings, occurrences, with_digests
from tests.security.token_requests import Request, accepted, as_json, malformed, refused
from tests.serving.process import until

PAGES = ("", "notifications", "requirements", "registry", "access", "audit", "login")

ROWS = "SELECT string_agg(stored::text, chr(10)) FROM {table} AS stored"
TABLES = ("notifications", "emails", "audit", "notification_windows", "requirements")

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


class ResponseCollector:
    """Sends requests and collects the responses."""

    def __init__(self, watched: WatchedService) -> None:
        self.watched = watched
        self.responses: list[str] = []
        self.statuses: Counter[str] = Counter()

    async def send(self, requests: Iterable[Request]) -> None:
        """Send each request, which must have its expected status."""
        for request in requests:
            url = f"{self.watched.serve.url}{request.path}"
            sent = self.watched.http.request(request.method, url, data=request.body, headers=request.headers)
            async with sent as response:
                text = await response.text()
                self.responses.append(f"{response.raw_headers!r} {text}")
                status = json.loads(text)["status"]
            assert status == request.status, (request, text)
            self.statuses[status] += 1

    async def send_malformed(self, texts: Iterable[bytes]) -> None:
        """Send malformed HTTP. The server refuses it, and may quote the faulty line to its sender."""
        address = URL(self.watched.serve.url)
        for text in texts:
            reader, writer = await asyncio.open_connection(address.host, address.port)
            writer.write(text)
            response = await reader.read()
            assert b" 400 " in response.split(b"\r\n")[0], response
            writer.close()


async def provoke_every_status(watched: WatchedService) -> tuple[ResponseCollector, dict[str, str]]:
    """Provoke every status that a caller can; return the collector and the tokens that were used."""
    collector = ResponseCollector(watched)
    async with watched.records() as records:
        user_id, _ = await records.user()
        application, session = await records.application(), await records.session()
        expired, without_role = await records.session(age=timedelta(days=8)), await records.session()
        await records.connection.execute("DELETE FROM clients WHERE user_id = $1", without_role.user_id)
        unknown = token_urlsafe(32)
        for token in (application.token, session.token):
            await collector.send([*accepted(token, user_id), *refused(token, user_id)])
            await collector.send_malformed(malformed(token))
        await collector.send(
            [
                as_json("invalid-token", params(unknown, user_id), User_Agent=unknown),
                as_json("session-expired", params(expired.token, user_id), Authorization=f"Bearer {expired.token}"),
                as_json("client-required", params(without_role.token, user_id)),
            ]
        )
        # The only response with a token: client-required shows the caller its own session.
        assert all(without_role.token not in response for response in collector.responses[:-1])
        assert without_role.token in collector.responses.pop()
        failing_email = as_json(
            "mandrill-email-failed", params(application.token, user_id), User_Agent=application.token
        )
        for behaviour in (failing(500), failing(401, "Invalid_Key"), hang_up):
            watched.mandrill.behaviour = behaviour
            await collector.send([failing_email])
        watched.mandrill.behaviour = answering("sent")
        await provoke_crashes(watched, collector, user_id, application.token)
        # Mandrill's error, which contains the key, is stored with the e-mail that waits for its retry.
        watched.mandrill.behaviour = failing(401, "Invalid_Key")
        await collector.send([failing_email])
    tokens = {"application token": application.token, "session token": session.token}
    return collector, tokens | {
        "unknown token": unknown,
        "expired token": expired.token,
        "token without role": without_role.token,
    }


async def provoke_crashes(watched: WatchedService, collector: ResponseCollector, user_id: int, token: str) -> None:
    """Provoke crashes by failing statements and a killed database, and the statuses of withdrawn records."""
    crash = as_json("application-crash", params(token, user_id), User_Agent=token, Referer=f"http://{token}/")
    async with watched.records() as records:
        execute = records.connection.execute
        # Tests run with synchronous_commit = off; these changes must survive the kill.
        await execute("SET synchronous_commit = on")
        for table in ("requirements", "application_tokens"):
            await execute(f"ALTER TABLE {table} RENAME TO broken")
            await collector.send([crash, crash])
            await execute(f"ALTER TABLE broken RENAME TO {table}")
        for table, status in (("routes", "route-not-found"), ("services", "service-not-found")):
            await execute(f"UPDATE {table} SET deployed_at = NULL")  # noqa: S608 - a fixed name
            await wait_for_status(watched, as_json(status, params(token, user_id)))
            await collector.send([as_json(status, params(token, user_id))])
            await execute(f"UPDATE {table} SET deployed_at = now()")  # noqa: S608 - as above
            await wait_for_status(watched, as_json("missing-param", {"token": token}))
    await watched.postgres.kill()
    await collector.send([crash, crash])
    await watched.postgres.start()
    await wait_for_status(watched, as_json("action-successful", params(token, user_id)))


async def wait_for_status(watched: WatchedService, request: Request) -> None:
    """Wait until 12 responses in a row have the expected status, so that both workers have."""
    times = 0
    # A request that was running when the database was killed may take its full timeout, on either worker.
    async with asyncio.timeout(60):
        while times < 12:
            sent = watched.http.post(f"{watched.serve.url}{request.path}", data=request.body, headers=request.headers)
            async with sent as response:
                times = times + 1 if (await response.json())["status"] == request.status else 0


async def console(watched: WatchedService) -> AsyncIterator[tuple[str, str]]:
    """The console's pages and the metrics, after a login with a wrong password and one with the right one."""
    pages, correct = f"{watched.console}/console", watched.secrets.console_password
    origin = {"Origin": watched.console}
    cookies = ""
    for password in (correct + "x", correct):
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


async def outputs(watched: WatchedService, collector: ResponseCollector) -> dict[str, str]:
    """Everything that the service has emitted, by destination."""
    found = {"answers": "\n".join(collector.responses), "processes": command_lines()}
    async for name, text in console(watched):
        found[name] = found.get(name, "") + text
    async with watched.postgres.connection() as connection:
        for table in TABLES:
            found[table] = await connection.fetchval(ROWS.format(table=table)) or ""
        found["statements"] = await connection.fetchval(
            "SELECT string_agg(query || application_name, chr(10)) FROM pg_stat_activity WHERE usename = 'canary'"
        )
    assert await watched.serve.stop() == 0
    found["output"] = "\n".join(watched.serve.output)
    found["errors"] = "\n".join(watched.serve.errors)
    # Each envelope contains the DSN's public key, which identifies the project to Sentry.
    found["sentry"] = "\n".join(watched.sentry.envelopes).replace(f'"public_key":"{watched.secrets.sentry_key}"', "")
    return found


def command_lines() -> str:
    """The command line of every process. Environments are readable only by their owner, so they are not searched."""
    lines = []
    for process in psutil.process_iter():
        path = Path(f"/proc/{process.pid}/cmdline")
        lines.append(path.read_bytes().replace(b"\0", b" ").decode(errors="replace") if path.exists() else "")
    return "\n".join(lines)


async def test_no_secret_is_leaked(watched: WatchedService) -> None:
    """No log line, event, metric, page, row, response, statement or command line contains a secret."""
    collector, tokens = await provoke_every_status(watched)
    assert set(collector.statuses) == EXPECTED
    await until(lambda: len(watched.sentry.envelopes) >= 5)
    found = await outputs(watched, collector)
    service_secrets = {name.replace("_", " "): value for name, value in vars(watched.secrets).items()}
    secrets = with_digests(tokens) | service_secrets
    seen = {name: list(occurrences(text, secrets)) for name, text in found.items()}
    assert {name: found_in for name, found_in in seen.items() if found_in} == {}
    # Each output was really captured: it contains its expected text.
    evidence = {"output": "request-failed", "sentry": "exception", "metrics": "requirements_", "statements": "SELECT"}
    evidence |= {
        "notifications": "email-failed",
        "emails": "Invalid_Key",
        "processes": "service serve",
        "page ": "<html",
    }
    assert [name for name, word in evidence.items() if word not in found[name]] == []


def test_every_encoding_is_found() -> None:
    """A secret is found in each encoding, whatever surrounds it."""
    secret = 'a/b+c "d" é' + token_urlsafe(12)
    for form in encodings(secret):
        assert list(occurrences(f"before {form} after", {"it": secret})), form
    for before in ("", "x", "xy"):
        text = base64.b64encode(f'{before}{{"token": "{secret}"}}'.encode()).decode()
        assert list(occurrences(text, {"it": secret}))
    assert list(occurrences(token_urlsafe(4000), {"it": secret})) == []
