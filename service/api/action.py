"""What an action is: one value that the URL table, the pipeline, the OpenAPI document and the metrics are made from."""

from dataclasses import dataclass
from functools import cached_property

from aiohttp.typedefs import Handler

from service.domain.schemas import SchemaFactory
from service.domain.statuses import (
    STATUSES,
    ApplicationCrash,
    IdentifyRequestError,
    MandrillEmailFailed,
    Outcome,
    Status,
)

SERVICE = "requirements"
VERSION = "v1"


@dataclass(frozen=True)
class Action:
    """One action of the API. `api/actions.py` lists all of them."""

    name: str
    handler: Handler
    params: SchemaFactory
    data_component: str  # the component of the OpenAPI document that describes `data`
    summary: str  # for the OpenAPI document, as are the next two
    description: str
    example: dict[str, object]  # params that work on the demo records
    success_message: str  # the message of action-successful
    methods: tuple[str, ...] = ("POST",)
    outcomes: tuple[Outcome, ...] = ()  # what Requirement-Outcome can be; empty for an action that only reads
    reads_replicas: bool = False  # whether a replica may answer; then there are `fresh` and X-Read-After
    statement_judges_token: bool = False  # instead of the middleware: see UnverifiedCaller
    sends_email: bool = False  # before the answer, so that it can be mandrill-email-failed

    @property
    def writes(self) -> bool:
        """Whether the action can change the tables."""
        return bool(self.outcomes)

    @property
    def own_errors(self) -> tuple[tuple[type[Status], Outcome], ...]:
        """The errors that are faults of the service, each with an outcome. A crash of a read is never `unknown`."""
        errors: list[tuple[type[Status], Outcome]] = [(IdentifyRequestError, "none"), (ApplicationCrash, "none")]
        if self.writes:
            errors.append((ApplicationCrash, "unknown"))
        if self.sends_email:
            errors.append((MandrillEmailFailed, "created"))
        return tuple(errors)

    @cached_property
    def path(self) -> str:
        """The path of its URL."""
        return f"/api/{VERSION}/{SERVICE}/{self.name}"

    @cached_property
    def route(self) -> tuple[str, str, str]:
        """The service, version and action that its route record names."""
        return SERVICE, VERSION, self.name

    @cached_property
    def operation_id(self) -> str:
        """Its name in generated clients, such as createRequirement."""
        first, *others = self.name.split("_")
        return f"{first}{''.join(map(str.title, others))}Requirement{'s' if others else ''}"

    @property
    def params_component(self) -> str:
        """The component of the OpenAPI document that describes its params, such as CreateRequirement."""
        return self.operation_id[0].upper() + self.operation_id[1:]

    @property
    def statuses(self) -> tuple[type[Status], ...]:
        """The statuses that it can answer with."""
        return tuple(status for status in STATUSES if self.sends_email or status is not MandrillEmailFailed)
