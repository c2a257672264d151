"""From the bytes of a body to params, refusing whatever two readers could read in two ways."""

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any, NoReturn

import orjson

from service.domain.statuses import InvalidEncodedParams, NoParamsDecoded

MAX_DEPTH = 32
MAX_INTEGER_DIGITS = 1000


def decode_base64(body: bytes) -> bytes:
    """The bytes that `body` encodes in the standard alphabet (RFC 4648 section 4).

    Raises `InvalidEncodedParams` for anything but the one canonical form, padding and trailing bits included.
    """
    try:
        decoded = base64.b64decode(body, validate=True)
    except binascii.Error:
        raise InvalidEncodedParams from None
    if base64.b64encode(decoded) != body:
        raise InvalidEncodedParams
    return decoded


def decode_params(body: bytes) -> Mapping[str, Any]:
    """The params of a JSON body (RFC 8259).

    Raises `InvalidEncodedParams` for what is not exactly one document in UTF-8 whose meaning is beyond doubt, and
    `NoParamsDecoded` for a document that holds no params.
    """
    glanced = _glance(body)
    if glanced is not None:
        return glanced
    try:
        text = body.decode("utf-8")
        if not text.strip(" \t\r\n"):
            raise NoParamsDecoded
        document = _DECODER.decode(text)
        if "\\u" in text:
            _refuse_lone_surrogates(document)
    except (ValueError, RecursionError):
        raise InvalidEncodedParams from None
    if _may_be_deep(text) and _depth(document) > MAX_DEPTH:
        raise InvalidEncodedParams
    if not isinstance(document, dict) or not document:
        raise NoParamsDecoded
    return document


def _glance(body: bytes) -> dict[str, Any] | None:
    """The params of a body that surely has one meaning, as most have; else None, and it takes the whole procedure.

    Every key is followed by a colon: where each colon follows a quotation mark, and there are as many as there are
    keys read, no key was there twice, and none of what was counted stands in a text. Floats are left to the other
    parser, since this one makes them of integers that are too long for it.
    """
    colons = body.count(b":")
    if colons != body.count(b'":'):
        return None
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    if type(document) is not dict:
        return None
    keys = len(document)
    for value in document.values():
        if type(value) is dict:
            keys += len(value)
            if not _PLAIN.issuperset(map(type, value.values())):
                return None
        elif type(value) not in _PLAIN:
            return None
    return document if colons and colons == keys else None


_PLAIN = frozenset((str, int, bool, type(None)))


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) != len(pairs):
        raise ValueError("duplicate keys")
    return content


def _integer(digits: str) -> int:
    if len(digits) > MAX_INTEGER_DIGITS:
        raise ValueError("an integer that long takes long to read")
    return int(digits)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_int=_integer, parse_constant=_refuse_constant)


def _refuse_lone_surrogates(document: object) -> None:
    """Raise UnicodeEncodeError, a ValueError, for text that UTF-8 cannot represent."""
    json.dumps(document, ensure_ascii=False).encode("utf-8")


def _may_be_deep(text: str) -> bool:
    return text.count("{") + text.count("[") > MAX_DEPTH


def _depth(document: Any) -> int:
    depth, level = 0, [document]
    while level:
        level = [item for item in level if isinstance(item, dict | list)]
        depth += bool(level)
        level = [child for item in level for child in (item.values() if isinstance(item, dict) else item)]
    return depth
