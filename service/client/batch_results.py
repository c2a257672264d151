"""The results of `create_many` and `destroy_many`."""

from dataclasses import dataclass

from service.client.errors import STATUS_ERRORS, StatusError
from service.client.records import Json, ParamError, Requirement, requirement_of


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one item: its status, its outcome, its record, and the params at fault."""

    status: str
    outcome: str
    requirement: Requirement | None
    errors: tuple[ParamError, ...]


@dataclass(frozen=True, slots=True)
class BatchResult:
    """A verdict on each item, in order, and how many items succeeded and failed."""

    results: tuple[Verdict, ...]
    succeeded: int
    failed: int
    request_id: str

    def requirements(self) -> tuple[Requirement, ...]:
        """The record of each item, in order. Raises the exception of the first item that failed, if one did."""
        for number, verdict in enumerate(self.results):
            if verdict.requirement is None:
                error = STATUS_ERRORS.get(verdict.status, StatusError)
                raise error(f"item {number} failed", verdict.errors, self.request_id, verdict.outcome)
        return tuple(verdict.requirement for verdict in self.results if verdict.requirement is not None)


def batch_result_of(request_id: str, data: Json) -> BatchResult:
    """The result in a response of `create_many` or `destroy_many`."""
    return BatchResult(tuple(map(_verdict_of, data["results"])), data["succeeded"], data["failed"], request_id)


def _verdict_of(data: Json) -> Verdict:
    record = data["data"]
    return Verdict(
        data["status"],
        data["outcome"],
        None if record is None else requirement_of(record),
        tuple(ParamError(error["param"], error["message"]) for error in data["errors"] or ()),
    )
