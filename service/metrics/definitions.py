"""What a worker measures."""

import contextlib
from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from service.domain.statuses import ApplicationCrash, IdentifyRequestError, MandrillEmailFailed, Outcome, Status

# Whatever of ours can go wrong with a write, and what then became of it.
FAULTS: tuple[tuple[type[Status], Outcome], ...] = (
    (ApplicationCrash, "none"),
    (ApplicationCrash, "unknown"),
    (IdentifyRequestError, "none"),
    (MandrillEmailFailed, "created"),
)

REQUESTS = "requirements_requests"
REQUEST_SECONDS = "requirements_request_duration_seconds"
ANSWER = ("route", "status", "code", "outcome")
IN_FLIGHT = "requirements_requests_in_flight"
POOL_CONNECTIONS = "requirements_database_pool_connections"
POOL_LIMIT = "requirements_database_pool_limit"
POOL_WAITING = "requirements_database_pool_waiting"
WORKERS = "requirements_workers"
RESTARTS = "requirements_restarts"
LOOP_LAG = "requirements_event_loop_lag_seconds"

LATENCIES = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
LAGS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)

# The route of what the URL table does not know: a path of a caller's never becomes a label.
UNMATCHED = "unmatched"

_Answer = tuple[str | None, str | None, int, str | None]


class Metrics:
    """One worker's metrics. Methods cost a microsecond or two; gauges are for a sampler to set now and then."""

    def __init__(self, worker: str = "0") -> None:
        """`worker` tells this worker from the others, and its successor not from itself."""
        self.registry = CollectorRegistry()
        self.in_flight = 0
        self._answers: dict[_Answer, tuple[Callable[[], None], Callable[[float], None]]] = {}
        self._requests = self._counter(
            REQUESTS, "Requests answered, by URL pattern, status, HTTP code, and what became of the write.", *ANSWER
        )
        self._request_seconds = self._histogram(
            REQUEST_SECONDS, "From a request's head to its answer being built, by URL pattern.", LATENCIES, "route"
        )
        self.batches = self._counter("requirements_batches", "Statements that carried several requests' work.", "batch")
        self.batch_items = self._counter("requirements_batch_items", "What those statements carried.", "batch")
        self.batch_waiting = self._gauge(
            "requirements_batch_waiting", "What waits for the next such statement.", "batch"
        )
        self.requests_in_flight = self._gauge(IN_FLIGHT, "Requests that are being worked on.")
        self.pool_connections = self._gauge(POOL_CONNECTIONS, "Open connections to the database.", "state")
        self.pool_limit = self._gauge(POOL_LIMIT, "How many connections the workers may open together.")
        self.pool_waiting = self._gauge(POOL_WAITING, "How many tasks wait for a connection.")
        self.statements = self._counter("requirements_database_statements", "Statements given to the pool to run.")
        self.registry_age = self._gauge(
            "requirements_registry_age_seconds",
            "How long ago services and routes were last read, in the worker where that is longest.",
            mode="livemax",
        )
        self.registry_loads = self._counter("requirements_registry_loads", "How often services and routes were read.")
        self.session_touches = self._counter("requirements_session_touches", "Uses of sessions that were recorded.")
        self.loop_lag = self._histogram(
            LOOP_LAG, "How much later than due a timer ran: what every request of that worker waited.", LAGS
        )
        self.cpu = self._counter("requirements_worker_cpu_seconds", "Processor time of each worker.", "worker").labels(
            worker
        )
        self.memory = self._gauge(
            "requirements_worker_resident_memory_bytes", "Memory of each worker.", "worker"
        ).labels(worker)

    def answered(self, route: str | None, status: str | None, code: int, outcome: str | None, seconds: float) -> None:
        """Count one answer; None where there is no such thing. `route` is a pattern of the URL table."""
        answer = (route, status, code, outcome)
        series = self._answers.get(answer)
        if series is None:
            series = self._answers[answer] = self._series(*answer)
        count, observe = series
        count()
        observe(seconds)

    def expect_faults(self, route: str) -> None:
        """Have faults at `route` told as zero until there is one: of the first one Prometheus sees no increase else."""
        for status, outcome in FAULTS:
            self._requests.labels(route, status.name, str(status.http_code), outcome)

    def _series(
        self, route: str | None, status: str | None, code: int, outcome: str | None
    ) -> tuple[Callable[[], None], Callable[[float], None]]:
        route = route or UNMATCHED
        requests = self._requests.labels(route, status or "none", str(code), outcome or "none")
        return requests.inc, self._request_seconds.labels(route).observe

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(name, text, labels, buckets=buckets, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str, mode: str = "livesum") -> Gauge:
        return Gauge(name, text, labels, multiprocess_mode=mode, registry=self.registry)  # type: ignore[arg-type]


class ProcessMetrics:
    """What the supervisor measures: the processes that it keeps running."""

    def __init__(self) -> None:
        registry = CollectorRegistry()
        self._workers = Gauge(
            WORKERS, "Worker processes that accept requests.", multiprocess_mode="max", registry=registry
        )
        self._restarts = Counter(
            RESTARTS, "Processes started in place of one that ended.", ["process"], registry=registry
        )
        for kind in ("worker", "console"):
            self._restarts.labels(kind)

    @contextlib.contextmanager
    def worker_serving(self) -> Iterator[None]:
        """Count one more worker that serves."""
        self._workers.inc()
        try:
            yield
        finally:
            self._workers.dec()

    def restarted(self, process: str) -> None:
        """Count one more `worker` or `console` in place of one that ended."""
        self._restarts.labels(process).inc()
