"""Logs: one line per event, redaction of secrets, and writing that does not block."""

import base64
import contextvars
import json
import logging
import os
import pty
import secrets as random
import time
import warnings
from collections.abc import Callable, Iterator
from urllib.parse import quote, quote_plus

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from service.observability import logs, secrets

TOKEN = random.token_urlsafe(32)
Lines = Callable[[], list[dict[str, object]]]


class Broken:
    """An object whose `__str__` raises."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


@pytest.fixture(autouse=True)
def _global_state() -> Iterator[None]:
    """Restore structlog and the root logger after each test."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.contextvars.clear_contextvars()
    structlog.reset_defaults()
    logging.captureWarnings(capture=False)
    for handler in [handler for handler in root.handlers if handler not in handlers]:
        root.removeHandler(handler)
        handler.close()
    root.setLevel(level)


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """A pipe: its reading and its writing end."""
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


@pytest.fixture
def lines(pipe: tuple[int, int]) -> Lines:
    """Configure JSON logs into a pipe. Calling the fixture closes them and returns the parsed lines."""
    sink = logs.configure("debug", "json", pipe[1])
    return lambda: finish(sink, pipe[0])


def finish(sink: logs.Logs, end: int) -> list[dict[str, object]]:
    """Close `sink` and parse the lines in the pipe."""
    sink.close()
    return [json.loads(line) for line in read(end).decode().splitlines()]


def read(end: int) -> bytes:
    """Return everything that is in the pipe now."""
    os.set_blocking(end, False)
    content = b""
    try:
        while part := os.read(end, 1 << 20):
            content += part
    except BlockingIOError:
        pass
    return content


def test_a_line_holds_timestamp_level_event_and_fields(lines: Lines) -> None:
    """A line has the timestamp, level and event, then the fields and the bound request id, but no absent field."""
    structlog.contextvars.bind_contextvars(request_id="r-1")
    structlog.get_logger().info("requirement-created", id=41, took=0.5, key=None)
    (line,) = lines()
    assert str(line.pop("timestamp")).endswith("Z")
    assert line == {
        "level": "info",
        "event": "requirement-created",
        "id": 41,
        "took": 0.5,
        "request_id": "r-1",
    }


@pytest.mark.parametrize(
    "value",
    [
        "\x1b[31mred",
        "a\r\nb",
        "\ud800",
        b"\xff\n",
        float("nan"),
        2**64,
        -(10**6000),
        Broken(),
        "x" * 10**6,
        "\u2028\x85\x9b",
        {"\ud800": {1: {2: {3: {4: 5}}}}},
        [1] * 10**5,
        {1, 2},
        ValueError("a\nb"),
        structlog,
        {Broken(): Broken()},
    ],
    ids=lambda value: type(value).__name__,
)
def test_any_value_makes_one_line(lines: Lines, value: object) -> None:
    """Any value, as the event or in a field, becomes a JSON object of limited size on one line."""
    structlog.get_logger().info(value, field=value)
    (line,) = lines()
    assert "event" in line
    assert "field" in line
    assert len(json.dumps(line)) < 20_000


@given(
    st.recursive(
        st.text() | st.binary() | st.integers() | st.floats(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_any_data_is_representable(value: object) -> None:
    """Any nesting of values can be rendered."""
    fields = {"timestamp": "now", "level": "info", "event": "e", "field": value}
    rendered = logs._json(logs._clean(fields))  # noqa: SLF001  # a pipe per example would be slow
    assert rendered.decode().splitlines() == [rendered.decode().rstrip("\n")]
    assert "field" in json.loads(rendered)


def test_a_traceback_is_one_field(lines: Lines) -> None:
    """An exception is one field, with the last frames and the message."""
    try:
        int("first\nsecond")
    except ValueError:
        structlog.get_logger().exception("failed")
    (line,) = lines()
    assert line["level"] == "error"
    assert str(line["exception"]).endswith("base 10: 'first\\nsecond'")


def test_the_standard_library_is_logged(lines: Lines) -> None:
    """Log records of libraries and warnings become lines, even if the arguments do not match the format string."""
    logging.getLogger("asyncio").error("task %s", "lost", exc_info=OSError("gone"))
    (relay,) = (handler for handler in logging.getLogger().handlers if type(handler).__module__ == logs.__name__)
    relay.handle(logging.LogRecord("asyncpg.pool", 25, "", 1, "%d", ("x",), None))
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old", stacklevel=1)
    first, second, third = lines()
    assert (first["event"], first["logger"], first["level"]) == ("task lost", "asyncio", "error")
    assert "OSError: gone" in str(first["exception"])
    assert (second["event"], second["level"]) == ("%d", "info")
    assert third["logger"] == "py.warnings"


def test_less_than_the_level_is_not_logged(pipe: tuple[int, int]) -> None:
    """The level applies to structlog and to the standard library."""
    sink = logs.configure("warning", "auto", pipe[1])
    structlog.get_logger("level").info("quiet")
    logging.getLogger("aiohttp").info("quiet")
    structlog.get_logger("level").warning("loud")
    assert [line["event"] for line in finish(sink, pipe[0])] == ["loud"]


@pytest.mark.parametrize(("level", "shape"), [("loud", "json"), ("info", "xml")])
def test_unknown_settings_are_refused(level: str, shape: str) -> None:
    """An unknown level or format raises ValueError."""
    with pytest.raises(ValueError, match="unknown log"):
        logs.configure(level, shape)


@pytest.mark.parametrize(
    "name", ["token", "Authorization", "db_password", "api_key", "token_digest", "Set-Cookie", "SENTRY_DSN"]
)
def test_fields_with_sensitive_names_are_redacted(lines: Lines, name: str) -> None:
    """A field whose name suggests a secret is redacted at any depth."""
    structlog.get_logger().info("e", **{name: "hidden"}, nested={"a": [{name: "hidden"}]})
    assert "hidden" not in json.dumps(lines())


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://me:hunter2@x@db/app",
        "retry token=hunter2&a=1",
        '{"password": "hunter2"}',
        "Authorization: Bearer hunter2",
        "password='hunter2'",
        TOKEN,
        f"/x/{TOKEN}.",
        base64.b64encode(json.dumps({"token": TOKEN}).encode()).decode(),
        "ab" * 32,
    ],
    ids=range(9),  # some contain a random token, but test ids must be the same in every process
)
def test_texts_with_secrets_are_redacted(text: str) -> None:
    """Passwords in URLs and assignments, and strings shaped like a token or a digest, are redacted."""
    shown = secrets.redact(f"seen {text}")
    assert "[redacted]" in shown
    assert not any(part in shown for part in ("hunter2", TOKEN, "ab" * 32, text))


@pytest.mark.parametrize(
    "text",
    [
        "service.handlers.requirements_of_every_kind_create",
        "6f1c9e0e-8f64-4f9a-9d5e-0f6b0c6d8e11",
        "http://127.0.0.1:8080/ping",
    ],
)
def test_ordinary_texts_are_kept(text: str) -> None:
    """Names, request ids and URLs are not redacted."""
    assert secrets.redact(text) == text


def _in_json(token: str) -> str:
    return json.dumps({"token": token})


def _in_base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@given(
    token=st.text(min_size=8).filter(lambda token: token not in secrets.REDACTED),
    before=st.text(max_size=5),
    encode=st.sampled_from([str, repr, _in_json, quote, quote_plus]),
    enclose=st.sampled_from([str, _in_base64]),
)
def test_the_requests_own_token_is_redacted_in_every_form(
    token: str, before: str, encode: Callable[[str], str], enclose: Callable[[str], str]
) -> None:
    """Any string that a caller may send as a token is found raw, JSON- and URL-escaped, and inside base64."""

    def redacted() -> str:
        secrets.remember(token)
        return secrets.redact(enclose(f"{before} {encode(token)} and more than the token itself is long"))

    assert secrets.REDACTED in contextvars.copy_context().run(redacted)


def test_a_remembered_token_is_redacted_in_a_traceback(lines: Lines) -> None:
    """The text of an exception is redacted."""

    def log_with_token() -> None:
        secrets.remember("my own token")
        structlog.get_logger().error("failed", exc_info=ValueError("my own token"))

    contextvars.copy_context().run(log_with_token)
    assert "my own" not in json.dumps(lines())


def test_process_secrets_are_redacted() -> None:
    """A process secret is still redacted after many tokens were remembered."""

    def redacted() -> str:
        secrets.protect("mandrill-key")
        for number in range(9):
            secrets.remember(f"token-number-{number}")
        return secrets.redact("mandrill-key, token-number-8 and token-number-0")

    assert contextvars.copy_context().run(redacted) == "[redacted], [redacted] and token-number-0"


def test_a_secret_split_by_a_cut_is_redacted() -> None:
    """A text is searched for secrets beyond the point where it is cut."""
    assert TOKEN[:8] not in secrets.clip("x" * 90 + " " + TOKEN + " y" * 5000, 100)


def test_a_blocked_reader(pipe: tuple[int, int]) -> None:
    """While the reader is blocked, logging does not block. Dropped lines are counted in lines written later."""
    sink = logs.configure("info", "json", pipe[1])
    log = structlog.get_logger()
    started = time.monotonic()
    for number in range(30_000):
        log.info("many", number=number)
    assert time.monotonic() - started < 10
    written = dropped = 0
    with os.fdopen(os.dup(pipe[0])) as reader:
        while written + dropped < 30_000:
            line = json.loads(reader.readline())
            if line["event"] == "log-lines-dropped":
                dropped += line["count"]
            else:
                written += 1
    sink.close()
    assert written + dropped == 30_000
    assert dropped > 0


def test_a_non_blocking_descriptor(pipe: tuple[int, int]) -> None:
    """Every line also arrives through a full non-blocking pipe."""
    os.set_blocking(pipe[1], False)
    sink = logs.configure("info", "json", pipe[1])
    for number in range(2_000):
        structlog.get_logger().info("many", number=number, text="x" * 100)
    content = b""
    while content.count(b"\n") < 2_000:
        content += os.read(pipe[0], 1 << 16)
    sink.close()
    assert [json.loads(line)["number"] for line in content.splitlines()] == list(range(2_000))


def test_a_closed_pipe() -> None:
    """If the reader has closed the pipe, lines are lost but logging does not fail."""
    reading, writing = os.pipe()
    os.close(reading)
    with logs.configure("info", "json", writing) as sink:
        structlog.get_logger().info("without a reader")
    structlog.get_logger().info("after the close")
    sink.close()
    os.close(writing)


def test_close_waits_at_most_two_seconds(pipe: tuple[int, int]) -> None:
    """A blocked pipe does not keep `close` waiting."""
    sink = logs.configure("info", "json", pipe[1])
    for _ in range(200):
        structlog.get_logger().info("big", text="x" * 5000)
    started = time.monotonic()
    sink.close()
    assert 1.5 < time.monotonic() - started < 4
    read(pipe[0])


def test_used_loggers_follow_a_new_configuration(lines: Lines) -> None:
    """A cached logger writes to the latest sink."""
    log = structlog.get_logger()
    log.info("one")
    reading, writing = os.pipe()
    sink = logs.configure("info", "json", writing)
    log.info("two")
    assert [line["event"] for line in finish(sink, reading)] == ["two"]
    assert [line["event"] for line in lines()] == ["one"]
    os.close(reading)
    os.close(writing)


def test_a_forked_process_writes_its_own_lines(pipe: tuple[int, int]) -> None:
    """A forked child logs, with and without its own configuration, and does not repeat its parent's lines."""
    sink = logs.configure("info", "json", pipe[1])
    log = structlog.get_logger()
    log.info("parent")
    if (child := os.fork()) == 0:
        log.info("inherited")
        logs.configure("info", "json", pipe[1])
        log.info("configured")
        logging.shutdown()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert sorted(str(line["event"]) for line in finish(sink, pipe[0])) == [
        "configured",
        "inherited",
        "parent",
    ]


@pytest.mark.parametrize(("no_color", "coloured"), [("", True), ("1", False)])
def test_lines_on_a_terminal(monkeypatch: pytest.MonkeyPatch, no_color: str, coloured: bool) -> None:
    """On a terminal, lines are coloured unless NO_COLOR is set, and control characters in values are escaped."""
    monkeypatch.setenv("NO_COLOR", no_color)
    reading, writing = pty.openpty()
    with logs.configure("info", "auto", writing):
        structlog.get_logger().error("ready\x1b[2J", port=8080, exc_info=ValueError("why"))
    shown = read(reading).decode()
    assert ("\x1b[" in shown) is coloured
    assert "\x1b[2J" not in shown
    assert "ValueError: why" in shown
    os.close(reading)
    os.close(writing)


def test_the_console_format_has_no_colours_in_a_file(pipe: tuple[int, int]) -> None:
    """The console format without a terminal has no colours."""
    with logs.configure("info", "console", pipe[1]):
        structlog.get_logger().info("ready", port=8080)
    shown = read(pipe[0])
    assert b"port=8080" in shown
    assert b"\x1b" not in shown


def test_a_request_line_has_no_absent_field(pipe: tuple[int, int]) -> None:
    """The line of a request without an envelope, such as one for /docs, has no status and no outcome."""
    read, write = pipe
    with logs.configure("info", "console", write) as output:
        output.requests({"route": "/docs", "status": None, "outcome": None}, quiet=False)
    line = os.read(read, 4096).decode()
    assert "/docs" in line
    assert "None" not in line
