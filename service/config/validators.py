"""Validators of single settings."""

from marshmallow import ValidationError, validate

from service.config.database_url import parse_database_url
from service.config.libpq_parameters import DatabaseUrlError

# Upper limits that catch mistyped values: one day, and one hundred years.
Seconds = validate.Range(min=0, max=86_400)
PositiveSeconds = validate.Range(min=0, max=86_400, min_inclusive=False)
# A shorter lag could not be distinguished from the time between two measurements.
LagSeconds = validate.Range(min=0.1, max=86_400)
Days = validate.Range(min=0, max=36_500)
PollSeconds = validate.Range(min=0, max=4, min_inclusive=False)
Port = validate.Range(min=0, max=65535)
AtLeastOne = validate.Range(min=1)
PasswordLength = validate.Length(min=12)
_LOWER_CASE_LOG_LEVEL = validate.OneOf(["debug", "info", "warning", "error"])
Visibility = validate.OneOf(["own", "all"])
LogFormat = validate.OneOf(["auto", "json", "console"])
# A bare address: no display name, no list, and no character that could end an e-mail header.
EmailAddress = validate.Regexp(
    r"[^\s@<>,;:\"\x00-\x1f\x7f]+@[^\s@<>,;:\"\x00-\x1f\x7f]+\Z", error="Must be an e-mail address."
)
# A longer name would be cut by PostgreSQL. A dot separates the schema from the table.
Schema = validate.Regexp(r"[^\x00.]{1,63}\Z", error="Must be the name of a schema: 1 to 63 characters without a dot.")
BaseUrl = validate.Regexp(r"https?://[^\s?#@]+\Z", error="Must be an address such as https://mandrillapp.com/api/1.0.")


def log_level(text: str) -> None:
    """Raise `ValidationError` unless `text` is a log level, in lower or upper case."""
    _LOWER_CASE_LOG_LEVEL(text.lower())


def unique_email_addresses(values: list[str]) -> None:
    """Raise `ValidationError` unless `values` are e-mail addresses without duplicates, ignoring case."""
    for value in values:
        EmailAddress(value)
    if len({value.lower() for value in values}) < len(values):
        raise ValidationError("Must name each address once.")


def postgres_url(text: str) -> None:
    """Raise `ValidationError` unless `text` is a PostgreSQL URL. The message omits it: it may hold a password."""
    try:
        parse_database_url(text)
    except DatabaseUrlError as error:
        raise ValidationError(str(error)) from None


def standbys_url(text: str) -> None:
    """Raise `ValidationError` unless `text` is the URL of one or more standbys. The message omits it."""
    try:
        parse_database_url(text, of_standby=True)
    except DatabaseUrlError as error:
        raise ValidationError(str(error)) from None


def sentry_dsn(text: str) -> None:
    """Raise `ValidationError` unless `text` is a Sentry DSN. The message omits it: it is a secret."""
    from sentry_sdk.utils import BadDsn, Dsn  # noqa: PLC0415 - takes longer to import than most commands take to run

    try:
        Dsn(text)
    except (BadDsn, ValueError):
        raise ValidationError("Must be a DSN as Sentry shows it.") from None
