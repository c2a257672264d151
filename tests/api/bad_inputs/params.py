"""Faults of single params, each as raw JSON so that no serialiser changes it."""

from service.domain.statuses import InvalidParam, InvalidToken, MissingParam, Status
from tests.api.bad_inputs.cases import TOKEN, USER_ID, Case, quoted, with_param

EMOJI = "\U0001f600"
MEGABYTE = quoted("x" * 1_000_000)
ABSENT = None

TOKENS = [
    *(Case(f"token {text}", with_param(token=text), MissingParam, ("token",)) for text in (ABSENT, "null", '""')),
    *(
        Case(f"token {text:.40}", with_param(token=text), InvalidToken)
        for text in ("[]", "{}", "5", "0", "5.5", "true", "false", f'["{TOKEN}"]', f'{{"token": "{TOKEN}"}}')
    ),
    Case("token of a megabyte", with_param(token=MEGABYTE), InvalidToken),
    Case("token NUL", with_param(token='"\\u0000"'), InvalidToken),
    Case("token and NUL", with_param(token=f'"{TOKEN}\\u0000"'), InvalidToken),
    Case("token not ASCII", with_param(token=quoted(f"{TOKEN}\u00e9")), InvalidToken),
    Case("token of emoji", with_param(token=quoted(EMOJI * 43)), InvalidToken),
    Case("token full-width", with_param(token=quoted("".join(chr(ord(c) + 0xFEE0) for c in TOKEN))), InvalidToken),
    Case("token and space", with_param(token=quoted(f"{TOKEN} ")), InvalidToken),
    Case("space and token", with_param(token=quoted(f" {TOKEN}")), InvalidToken),
    Case("token and line end", with_param(token='"' + TOKEN + '\\n"'), InvalidToken),
    Case("token in capitals", with_param(token=quoted(TOKEN.upper())), InvalidToken),
    Case("token cut short", with_param(token=quoted(TOKEN[:-1])), InvalidToken),
    Case("token of one space", with_param(token='" "'), InvalidToken),
    Case("token %", with_param(token='"%"'), InvalidToken),
    Case("token _", with_param(token=quoted("_" * len(TOKEN))), InvalidToken),
    Case("token of SQL", with_param(token=quoted("' OR 1=1")), InvalidToken),
    Case("token of more SQL", with_param(token=quoted("'; DROP TABLE requirements; --")), InvalidToken),
    Case("token with Bearer", with_param(token=quoted(f"Bearer {TOKEN}")), InvalidToken),
    Case("token in another case of its name", with_param(token=ABSENT, Token=quoted(TOKEN)), MissingParam, ("token",)),
]

# A name, the JSON sent, the status, and the faulty parts of the reference.
References = tuple[str, str | None, type[Status], tuple[str, ...]]

MISSING_REFERENCES: list[References] = [
    ("absent", ABSENT, MissingParam, ("",)),
    ("null", "null", MissingParam, ("",)),
    ("empty string", '""', MissingParam, ("",)),
    ("empty hash", "{}", MissingParam, (".type", ".id")),
    ("only type", '{"type": "User"}', MissingParam, (".id",)),
    ("only id", f'{{"id": {USER_ID}}}', MissingParam, (".type",)),
    ("empty type", '{"type": "", "id": 1}', MissingParam, (".type",)),
    ("null type", '{"type": null, "id": 1}', MissingParam, (".type",)),
    ("null id", '{"type": "User", "id": null}', MissingParam, (".id",)),
    ("empty id", '{"type": "User", "id": ""}', MissingParam, (".id",)),
    ("null id and bad type", '{"id": null, "type": "x"}', MissingParam, (".id",)),
    ("both null", '{"type": null, "id": null}', MissingParam, (".type", ".id")),
    ("other names", '{"Type": "User", "ID": 1}', MissingParam, (".type", ".id")),
]

NOT_HASHES: list[References] = [
    (f"{text:.30} for a hash", text, InvalidParam, ("",))
    for text in ('"User"', "[]", '["User", 1]', '[{"type": "User", "id": 1}]', "5", "0", "1.5", "true", "false", '" "')
]

TYPES = [
    '"Order"',
    '"user"',
    '"USER"',
    '"User "',
    '" User"',
    '"User\\n"',
    '"Users"',
    '"users"',
    '"pg_class"',
    '"public.users"',
    '"\\"users\\""',
    '"User\\u0000"',
    '"\\u0000"',
    '"U\\u0455er"',
    '"U\\u200bser"',
    '"*"',
    '"%"',
    '"User; DROP TABLE users"',
    '"User\\" WHERE 1=1 --"',
    '"__class__"',
    '"null"',
    "5",
    "true",
    "false",
    '["User"]',
    "[]",
    "{}",
    '{"type": "User"}',
    MEGABYTE,
]

IDS = [
    '"5"',
    '"1"',
    "1.0",
    "5.0",
    "5.5",
    "1e0",
    "1E2",
    "true",
    "false",
    "0",
    "-0",
    "-0.0",
    "-1",
    str(2**63),
    str(2**64),
    str(-(2**63)),
    str(-(2**64)),
    str(10**100),
    "9" * 1000,
    "1e400",
    "-1e400",
    "1e-400",
    "[1]",
    "[]",
    "{}",
    '{"id": 1}',
    '" "',
    '"1 OR 1=1"',
    str(2**63 - 1),
    "999999999",
]

REFERENCES: list[References] = [
    *MISSING_REFERENCES,
    *NOT_HASHES,
    *((f"type {text:.40}", f'{{"type": {text}, "id": {USER_ID}}}', InvalidParam, (".type",)) for text in TYPES),
    *((f"id {text:.40}", f'{{"type": "User", "id": {text}}}', InvalidParam, (".id",)) for text in IDS),
    ("bad type and id", '{"type": "x", "id": 0}', InvalidParam, (".type", ".id")),
    ("an id of another type", '{"type": "Client", "id": 1}', InvalidParam, (".id",)),
]

HASHES = [
    Case(f"{param}, {name}", with_param(**{param: text}), status, tuple(f"{param}{part}" for part in parts))
    for param in ("required", "requireable")
    for name, text, status, parts in REFERENCES
]

NOT_TEXT = ["5", "0", "5.5", "true", "false", "[]", '["x"]', "{}", '{"key": "x"}']
WITH_NUL = ['"\\u0000"', '"\\u0000a"', '"a\\u0000b"', '"a\\u0000"', '"\\n\\u0000"']


def _too_long(limit: int) -> list[str]:
    return [quoted(text) for text in ("x" * (limit + 1), EMOJI * (limit + 1), "e\u0301" * (limit // 2 + 1))] + [
        MEGABYTE
    ]


TEXTS = [
    Case(f"{param} {i} {text:.40}", with_param(**{param: text}), InvalidParam, (param,))
    for param, limit in (("key", 255), ("value", 4096))
    for i, text in enumerate([*NOT_TEXT, *WITH_NUL, *_too_long(limit)])
]

UNKNOWN_VIEWS = ['"full"', '"Default"', '"default "', '"\\u0000"', '""', *NOT_TEXT, '["default"]', MEGABYTE]

VIEWS = [
    Case(f"{param} {text:.40}", with_param(**{param: text}), InvalidParam, (param,))
    for param in ("session_view", "application_view")
    for text in UNKNOWN_VIEWS
]

AT_ONCE = [
    Case(
        "all params but the token missing",
        with_param(required=None, requireable=None, key="5"),
        MissingParam,
        ("required", "requireable"),
    ),
    Case(
        "all params bad",
        with_param(required="5", requireable="5", key="5", value="5", session_view="5", application_view="5"),
        InvalidParam,
        ("required", "requireable", "key", "value", "session_view", "application_view"),
    ),
    Case(
        "both references to nothing",
        with_param(required='{"type": "User", "id": 9}', requireable='{"type": "User", "id": 9}'),
        InvalidParam,
        ("required.id", "requireable.id"),
    ),
]

# Valid texts that are stored unchanged, but may break a careless parser or log.
STORED_TEXTS = [
    ("nothing", ""),
    ("as long as a key gets", "x" * 255),
    ("as long as a key gets, emoji", EMOJI * 255),
    ("U+FFFF", "\uffff"),
    ("U+FFFE", "\ufffe"),
    ("the last character", "\U0010ffff"),
    ("right to left", "\u202egnp.exe"),
    ("combining marks", "e\u0301 Z\u0351\u036b\u0343 \u0301"),
    ("not normalised", "\ufb01 \u212b \u1e9b\u0323"),
    ("zero width", "a\u200bb\u200d\ufeffc"),
    ("markup", "<script>alert('&amp;')</script>"),
    ("SQL", "'; DROP TABLE requirements; --"),
    ("placeholders", "$1 %s {} {0} ${x} :name ? %(x)s"),
    ("line ends", "one\r\ntwo\nthree\r\u2028four\u2029five\x85six"),
    ("a log line", '\n{"event": "request", "status": "action-successful"}\n'),
    ("escape sequences", "\x1b[2J\x1b[31mred\x1b]0;title\x07\x9b31m"),
    ("controls", "".join(map(chr, range(1, 32))) + "\x7f"),
    ("white space", "  \t padded \u00a0\u3000 "),
    ("backslashes", "\\ \\\\ \\u0041 \\n \\"),
    ("quotes", "\"'`\u201c"),
    ("a path", "../../etc/passwd\\..\\"),
    ("a formula", '=cmd|"/C calc"!A0'),
    ("the word null", "null"),
]
STORED_VALUES = [("as long as a value gets", "x" * 4096), ("as long as a value gets, emoji", EMOJI * 4096)]
