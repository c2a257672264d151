"""Content types: those that are refused, and the spellings of JSON and base64 that are accepted."""

from service.domain.statuses import ActionSuccessful, InvalidContentType
from tests.api.bad_inputs.cases import Case, Request, with_headers


def _content_type(value: str | bytes) -> Request:
    return with_headers(("Content-Type", value))


REFUSED_CONTENT_TYPES = [
    "application/xml",
    "text/html",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "application/json5",
    "application/jsonp",
    "application/vnd.api+json",
    "application/*",
    "*/*",
    "text/json",
    "json",
    "",
    " ",
    ";",
    ";charset=utf-8",
    "application",
    "application/",
    "/json",
    "application / json",
    "application/json/x",
    "application/json, application/json",
    "application/json, text/plain",
    "application/json charset=utf-8",
    "application/json; charset=utf-16",
    "application/json; charset=utf-7",
    "application/json; charset=bogus",
    "application/json; charset=iso-8859-1",
    "application/json; charset=us-ascii",
    "application/json; charset=",
    'application/json; charset=""',
    'application/json; charset="utf-16"',
    'application/json; charset="utf-8',
    "application/json; charset='utf-8'",
    "application/json; charset=utf-8 utf-16",
    "application/json; charset=utf-8; charset=utf-16",
    "application/json; charset=utf-16; charset=utf-8",
    "application/json; CHARSET=UTF-16",
    "application/json; charset=utf-8x",
    "application/json; charset*=utf-8''utf-16",
    "application/json; charset*=utf-8''utf-8",
    "application/json; charset*",
    "application/json; charset*0=utf; charset*1=-16",
    "text/plain; charset=utf-16",
    "text/plain; format=flowed; charset=utf-7",
    "application/json; charset=\u00fctf-8",
    "application/j\u0455on",
    "application/json; " + "x=y; " * 1000 + "charset=utf-16",
]

TAKEN_AS_JSON = [
    "application/json",
    'APPLICATION/JSON ; charset="UTF-8"',
    "Application/Json",
    "application/json;",
    "application/json; charset=utf-8",
    "application/json;charset=UTF-8",
    "application/json;CharSet=Utf-8",
    'application/json; charset="utf-8"',
    "application/json; charset=utf8",
    "application/json; version=1",
    'application/json; profile="a;b"; charset=utf-8',
    "application/json; charset=utf-8; charset=UTF-8",
    " application/json\t; charset=utf-8 ",
]

REFUSED = [
    Case("no content type", with_headers(), InvalidContentType),
    Case("content type in latin 1", _content_type(b"application/json; charset=\xe9"), InvalidContentType),
    Case("content type in UTF-8 and latin 1", _content_type(b"application/json; \xc3\xa9\xe9"), InvalidContentType),
    *(
        Case(f"content type {i} {text:.50}", _content_type(text), InvalidContentType)
        for i, text in enumerate(REFUSED_CONTENT_TYPES)
    ),
]


ACCEPTED = [
    *(Case(f"as JSON {i} {text}", _content_type(text), ActionSuccessful) for i, text in enumerate(TAKEN_AS_JSON)),
]
