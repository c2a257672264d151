"""Whole requests from single faults: one way to put them together, for hypothesis and for the run at scale alike."""

from collections.abc import Callable, Iterable, Iterator
from random import Random
from typing import Any

from hypothesis import strategies as st

from tests.api.bad_inputs.cases import Header, Request, chunked, octets
from tests.factories import CREATE
from tests.tools.inputs import messages, values
from tests.tools.inputs.contract import Asked
from tests.tools.inputs.messages import BASE64, PLAIN, Typed
from tests.tools.inputs.world import World

# Gives a value of the strategy of that name.
Take = Callable[[str], Any]

PARAMS = ("token", "required", "requireable", "key", "value", "session_view", "application_view", "unknown")


def strategies(world: World) -> dict[str, st.SearchStrategy[Any]]:
    """Everything that a request is put together from, by its name."""
    return {
        **values.params(world),
        "reference": values.valid_reference(world),
        "document": messages.documents(),
        "edit": messages.edits(),
        "base64": messages.base64_forms(),
        "content type": messages.content_types(),
        "idempotency key": messages.idempotency_keys(),
        "request id": messages.request_ids(),
        "target": messages.targets(),
        "authorization": messages.authorizations([*world.callers, *world.dead_tokens]),
    }


class Composer:
    """Puts requests together. `families` names the ways, each of which spoils a create that would succeed.

    `numbers` go into idempotency keys, so that none is used twice.
    """

    def __init__(self, world: World, max_body_bytes: int, random: Random, take: Take, numbers: Iterator[int]) -> None:
        self._token = f'"{world.token}"'
        self._max_body_bytes = max_body_bytes
        self._random = random
        self._take = take
        self._numbers = numbers
        self.families: dict[str, Callable[[], Asked]] = {
            "params": self._params,
            "documents": self._documents,
            "base64": self._base64,
            "headers": self._headers,
            "tokens": self._tokens,
            "targets": self._targets,
            "sizes": self._sizes,
            "all at once": self._all_at_once,
        }

    def _params(self) -> Asked:
        how_many = self._random.choice((1, 1, 1, 2, 3, 8))
        return self._asked(
            self._content(self._random.sample(PARAMS, how_many)), self._random.choice((PLAIN, PLAIN, BASE64))
        )

    def _documents(self) -> Asked:
        if self._random.random() < 0.5:
            return self._asked(self._take("document"), self._random.choice((PLAIN, BASE64)))
        return self._asked(self._take("edit")(self._content(["unknown"])))

    def _base64(self) -> Asked:
        content = self._content(["value"]) if self._random.random() < 0.7 else self._take("document")
        return self._asked(content, BASE64, write=self._take("base64"))

    def _headers(self) -> Asked:
        name = self._random.choice(("content type", "idempotency key", "request id"))
        if name == "content type":
            return self._asked(self._content(), self._take(name))
        headers = self._take(name)
        return self._asked(self._content(), headers=self._fresh(headers) if name == "idempotency key" else headers)

    def _tokens(self) -> Asked:
        if self._random.random() < 0.5:
            return self._asked(self._content(["token"]))
        return self._asked(self._content(without_token=True), headers=self._take("authorization"))

    def _targets(self) -> Asked:
        return self._asked(self._content(), target=self._take("target"))

    def _sizes(self) -> Asked:
        content = self._content()
        size = self._max_body_bytes + self._random.choice((-1, 0, 1, 2, 1000))
        room = size - len(content) - len(b', "padding": ""')
        return self._asked(content[:-1] + b', "padding": "' + b"x" * room + b'"}')

    def _all_at_once(self) -> Asked:
        content = self._take("document") if self._random.random() < 0.2 else self._content(PARAMS[::2])
        headers = (*self._take("authorization"), *self._take("request id"), *self._fresh(self._take("idempotency key")))
        target = self._take("target") if self._random.random() < 0.2 else ("POST", CREATE, True)
        return self._asked(content, self._take("content type"), headers=headers, target=target)

    def _content(self, spoiled: Iterable[str] = (), *, without_token: bool = False) -> bytes:
        """The JSON of a create that succeeds but for the params named, in any order."""
        pairs = {"token": self._token, "required": self._take("reference"), "requireable": self._take("reference")}
        pairs |= {name: self._take(name) for name in spoiled}
        if without_token:
            del pairs["token"]
        elif self._random.random() < 0.1:
            pairs.pop(self._random.choice([*pairs]))
        names = self._random.sample([*pairs], len(pairs))
        space = self._random.choice(("", " ", "\r\n\t"))
        written = (f'{space}"{name}":{pairs[name]}' for name in names)
        return f"{{{f',{space}'.join(written)}}}".encode()

    def _fresh(self, headers: tuple[Header, ...]) -> tuple[Header, ...]:
        """The same keys, but used by nobody yet, and as long as they were, unless they are short."""
        number = f"{next(self._numbers):08}".encode()
        return tuple((name, number + octets(value)[8:] if value else value) for name, value in headers)

    def _asked(
        self,
        content: bytes,
        typed: Typed = PLAIN,
        *,
        headers: tuple[Header, ...] = (),
        target: tuple[str, str, bool] = ("POST", CREATE, True),
        write: messages.Edit | None = None,
    ) -> Asked:
        kinds, encoding = typed
        write = write or (messages.in_base64 if encoding == "base64" else bytes)
        body = write(content)
        method, path, on_create = target
        framed = chunked(body, size=self._random.randint(20, 2000)) if self._random.random() < 0.15 else Request(body)
        request = Request(framed.body, (*kinds, *headers), method, path, framed.framing)
        return Asked(request, body, encoding, on_create)
