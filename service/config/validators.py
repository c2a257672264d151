"""Validators of single settings."""

from urllib.parse import urlsplit

from marshmallow import ValidationError, validate
from sentry_sdk.utils import BadDsn, Dsn

# Upper limits that catch mistyped values: one day, and one hundred years.
Seconds = validate.Range(min=0, max=86_400)
PositiveSeconds = validate.Range(min=0, max=86_400, min_inclusive=False)
Days = validate.Range(min=0, max=36_500)
PollSeconds = validate.Range(min=0, max=4, min_inclusive=False)
Port = validate.Range(min=0, max=65535)
AtLeastOne = validate.Range(min=1)
PasswordLength = validate.Length(min=12)
LogLevel = validate.OneOf(["debug", "info", "warning", "error"])
Visibility = validate.OneOf(["own", "all"])
LogFormat = validate.OneOf(["auto", "json", "console"])
# A bare address: no display name, no list, and no character that could end an e-mail header.
EmailAddress = validate.Regexp(
    r"[^\s@<>,;:\"\x00-\x1f\x7f]+@[^\s@<>,;:\"\x00-\x1f\x7f]+\Z", error="Must be an e-mail address."
)
BaseUrl = validate.Regexp(r"https?://[^\s?#@]+\Z", error="Must be an address such as https://mandrillapp.com/api/1.0.")


def unique_email_addresses(values: list[str]) -> None:
    """Raise `ValidationError` unless `values` are e-mail addresses without duplicates, ignoring case."""
    for value in values:
        EmailAddress(value)
    if len({value.lower() for value in values}) < len(values):
        raise ValidationError("Must name each address once.")


def postgres_url(text: str) -> None:
    """Raise `ValidationError` unless `text` is a PostgreSQL URL. The message omits it: it may hold a password."""
    error = ValidationError("Must be an address such as postgresql://user:password@host:5432/name.")
    try:
        parts = urlsplit(text)
        ports = [urlsplit(f"//{host}").port for host in parts.netloc.rpartition("@")[2].split(",")]
    except ValueError:
        raise error from None
    if parts.scheme not in ("postgresql", "postgres") or 0 in ports:
        raise error


def sentry_dsn(text: str) -> None:
    """Raise `ValidationError` unless `text` is a Sentry DSN. The message omits it: it is a secret."""
    try:
        Dsn(text)
    except (BadDsn, ValueError):
        raise ValidationError("Must be a DSN as Sentry shows it.") from None
