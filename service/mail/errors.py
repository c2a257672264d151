"""Reasons why Mandrill did not accept an e-mail.

* MandrillError
  + MandrillUnreachable        no connection, or it failed
  + MandrillTimeout            no complete response in time
  + MandrillRefused            a response with a status code other than 200
  + MandrillResponseInvalid    a response that is not a list of recipients
  + RecipientsRefused          at least one recipient was not accepted
"""

from collections.abc import Sequence


class MandrillError(Exception):
    """The e-mail was not accepted for every recipient. The message is safe to log; `accepted` lists who accepted."""

    def __init__(self, reason: str, accepted: Sequence[str] = ()) -> None:
        super().__init__(reason)
        self.accepted = accepted


class MandrillUnreachable(MandrillError):
    """The connection to Mandrill could not be opened, or it failed."""


class MandrillTimeout(MandrillError):
    """Mandrill sent no complete response in time."""


class MandrillRefused(MandrillError):
    """Mandrill responded with a status code other than 200. Redirects are not followed."""


class MandrillResponseInvalid(MandrillError):
    """Mandrill's response is too long or is not a list of recipients."""


class RecipientsRefused(MandrillError):
    """Mandrill did not accept the e-mail for at least one recipient."""
