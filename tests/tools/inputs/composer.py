"""Compose requests from single faults, for hypothesis and for the fuzzer."""

from collections.abc import Callable, Iterable, Iterator
from random import Random
from typing import Any

from hypothesis import strategies as st

from tests.api.bad_inputs.cases import Header, Request, chunked, octets
from tests.factories import CREATE
from tests.tools.inputs import messages, values
from tests.tools.inputs.contract import Case
from tests.tools.inputs.contract_family import METHODS
from tests.tools.inputs.database_state import DatabaseState
from tests.tools.inputs.family_requests import family_params
from tests.tools.inputs.messages import BASE64, PLAIN, ContentHeaders
from tests.tools.inputs.stories import Story

# Draws a value from the strategy with this name.
Draw = Callable[[str], Any]

PARAMS = ("token", "required", "requireable", "key", "value", "session_view", "application_view", "unknown")


def strategies(state: DatabaseState) -> dict[str, st.SearchStrategy[Any]]:
    """Return the strategies for all parts of a request, by name."""
    return {
        **values.params(state),
        "reference": values.valid_reference(state),
        "document": messages.documents(),
        "edit": messages.edits(),
        "base64": messages.base64_forms(),
        "content type": messages.content_types(),
        "idempotency key": messages.idempotency_keys(),
        "request id": messages.request_ids(),
        "target": messages.targets(),
        "authorization": messages.authorizations([*state.callers, *state.revoked_tokens]),
    }


class Composer:
    """Composes requests. Each of the `families` introduces faults into a valid create or other actions; one is stories.

    `numbers` make the idempotency keys unique.
    """

    def __init__(
        self, state: DatabaseState, max_body_bytes: int, random: Random, draw: Draw, numbers: Iterator[int]
    ) -> None:
        self._state_token, self._ids = state.token, state.ids
        self._token = f'"{state.token}"'
        self._max_body_bytes = max_body_bytes
        self._random = random
        self._draw = draw
        self._numbers = numbers
        self.families: dict[str, Callable[[], Case | Story]] = {
            "params": self._params,
            "documents": self._documents,
            "base64": self._base64,
            "headers": self._headers,
            "tokens": self._tokens,
            "targets": self._targets,
            "sizes": self._sizes,
            "all at once": self._all_at_once,
            "other actions": self._other_actions,
            "stories": self._story,
        }

    def _params(self) -> Case:
        how_many = self._random.choice((1, 1, 1, 2, 3, 8))
        return self._case(
            self._content(self._random.sample(PARAMS, how_many)), self._random.choice((PLAIN, PLAIN, BASE64))
        )

    def _documents(self) -> Case:
        if self._random.random() < 0.5:
            return self._case(self._draw("document"), self._random.choice((PLAIN, BASE64)))
        return self._case(self._draw("edit")(self._content(["unknown"])))

    def _base64(self) -> Case:
        content = self._content(["value"]) if self._random.random() < 0.7 else self._draw("document")
        return self._case(content, BASE64, write=self._draw("base64"))

    def _headers(self) -> Case:
        name = self._random.choice(("content type", "idempotency key", "request id"))
        if name == "content type":
            return self._case(self._content(), self._draw(name))
        headers = self._draw(name)
        return self._case(self._content(), headers=self._unused_keys(headers) if name == "idempotency key" else headers)

    def _tokens(self) -> Case:
        if self._random.random() < 0.5:
            return self._case(self._content(["token"]))
        return self._case(self._content(without_token=True), headers=self._draw("authorization"))

    def _targets(self) -> Case:
        return self._case(self._content(), target=self._draw("target"))

    def _sizes(self) -> Case:
        content = self._content()
        size = self._max_body_bytes + self._random.choice((-1, 0, 1, 2, 1000))
        room = size - len(content) - len(b', "padding": ""')
        return self._case(content[:-1] + b', "padding": "' + b"x" * room + b'"}')

    def _all_at_once(self) -> Case:
        content = self._draw("document") if self._random.random() < 0.2 else self._content(PARAMS[::2])
        headers = (
            *self._draw("authorization"),
            *self._draw("request id"),
            *self._unused_keys(self._draw("idempotency key")),
        )
        target = self._draw("target") if self._random.random() < 0.2 else ("POST", CREATE, True)
        return self._case(content, self._draw("content type"), headers=headers, target=target)

    def _other_actions(self) -> Case:
        action = self._random.choice([*METHODS])
        pairs = {"token": self._token, **family_params(action, self._random)}
        if self._random.random() < 0.1:
            pairs["token"] = self._draw("token")
        if self._random.random() < 0.1:
            pairs["session_view"] = self._draw("session_view")
        written = ",".join(f'"{name}":{text}' for name, text in pairs.items())
        content = f"{{{written}}}".encode()
        method = self._random.choice(("POST", METHODS[action]))
        target = (method, CREATE.replace("create", action), True)
        return self._case(content, self._random.choice((PLAIN, BASE64)), target=target)._replace(action=action)

    def _story(self) -> Story:
        existing = [(name, number) for name, ids in sorted(self._ids.items()) for number in sorted(ids)]
        chosen = self._random.sample(existing, min(5, len(existing)))
        references = [{"type": name, "id": number} for name, number in chosen]
        return Story(self._random.getrandbits(64), next(self._numbers), self._state_token, references)

    def _content(self, faulty: Iterable[str] = (), *, without_token: bool = False) -> bytes:
        """Return the JSON of a valid create, with faults in the named params, in random order."""
        pairs = {"token": self._token, "required": self._draw("reference"), "requireable": self._draw("reference")}
        pairs |= {name: self._draw(name) for name in faulty}
        if without_token:
            del pairs["token"]
        elif self._random.random() < 0.1:
            pairs.pop(self._random.choice([*pairs]))
        names = self._random.sample([*pairs], len(pairs))
        space = self._random.choice(("", " ", "\r\n\t"))
        written = (f'{space}"{name}":{pairs[name]}' for name in names)
        return f"{{{f',{space}'.join(written)}}}".encode()

    def _unused_keys(self, headers: tuple[Header, ...]) -> tuple[Header, ...]:
        """Return the same headers with unique keys of the same length (at least 8)."""
        number = f"{next(self._numbers):08}".encode()
        return tuple((name, number + octets(value)[8:] if value else value) for name, value in headers)

    def _case(
        self,
        content: bytes,
        content_headers: ContentHeaders = PLAIN,
        *,
        headers: tuple[Header, ...] = (),
        target: tuple[str, str, bool] = ("POST", CREATE, True),
        write: messages.Edit | None = None,
    ) -> Case:
        kinds, encoding = content_headers
        write = write or (messages.in_base64 if encoding == "base64" else bytes)
        body = write(content)
        method, path, is_create = target
        framed = chunked(body, size=self._random.randint(20, 2000)) if self._random.random() < 0.15 else Request(body)
        request = Request(framed.body, (*kinds, *headers), method, path, framed.framing)
        return Case(request, body, encoding, is_create)
