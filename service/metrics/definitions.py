"""The metrics of the workers and of the supervisor."""

import contextlib
from collections.abc import Callable, Iterable, Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from service.domain.statuses import Outcome, Status

REQUESTS = "requirements_requests"
REQUEST_SECONDS = "requirements_request_duration_seconds"
REQUEST_LABELS = ("route", "status", "code", "outcome")
IN_FLIGHT = "requirements_requests_in_flight"
POOL_CONNECTIONS = "requirements_database_pool_connections"
POOL_LIMIT = "requirements_database_pool_limit"
POOL_WAITING = "requirements_database_pool_waiting"
WORKERS = "requirements_workers"
RESTARTS = "requirements_restarts"
LOOP_LAG = "requirements_event_loop_lag_seconds"

LATENCIES = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
LAGS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)

# The route label of a request that matches no URL pattern. A path sent by a caller never becomes a label.
UNMATCHED = "unmatched"

# The status label of a response without an envelope.
NO_STATUS = "none"

_Labels = tuple[str | None, str | None, int, str | None]


class Metrics:
    """The metrics of one worker. A method call costs a few microseconds. The sampler sets the gauges."""

    def __init__(self, worker: str = "0") -> None:
        """`worker` is the worker's place (`0`, `1`). A replacement worker has the same one."""
        self.registry = CollectorRegistry()
        self.in_flight = 0
        self._series: dict[_Labels, tuple[Callable[[], None], Callable[[float], None]]] = {}
        self._requests = self._counter(
            REQUESTS, "Requests answered, by URL pattern, status, HTTP code and outcome of the write.", *REQUEST_LABELS
        )
        self._request_seconds = self._histogram(
            REQUEST_SECONDS, "Time from the request headers to the response, by URL pattern.", LATENCIES, "route"
        )
        self.batches = self._counter("requirements_batches", "Statements that processed a batch of requests.", "batch")
        self.batch_items = self._counter("requirements_batch_items", "Requests in those batches.", "batch")
        self.batch_waiting = self._gauge("requirements_batch_waiting", "Requests waiting for the next batch.", "batch")
        self.requests_in_flight = self._gauge(IN_FLIGHT, "Requests in progress.")
        self.pool_connections = self._gauge(POOL_CONNECTIONS, "Open database connections, by state.", "state")
        self.pool_limit = self._gauge(POOL_LIMIT, "Maximum number of database connections of all workers.")
        self.pool_waiting = self._gauge(POOL_WAITING, "Tasks waiting for a database connection.")
        self.statements = self._counter("requirements_database_statements", "Statements run by the pool.")
        self.registry_age = self._gauge(
            "requirements_registry_age_seconds",
            "Time since services and routes were last loaded, in the worker with the oldest copy.",
            mode="livemax",
        )
        self._declare_replica()
        self.registry_loads = self._counter("requirements_registry_loads", "Loads of services and routes.")
        self.session_touches = self._counter("requirements_session_touches", "Recorded uses of sessions.")
        self.loop_lag = self._histogram(
            LOOP_LAG, "Delay of a timer of the event loop. Every request of the worker waits as long.", LAGS
        )
        self.cpu = self._counter("requirements_worker_cpu_seconds", "CPU time of each worker.", "worker").labels(worker)
        self.memory = self._gauge(
            "requirements_worker_resident_memory_bytes", "Resident memory of each worker.", "worker"
        ).labels(worker)

    def _declare_replica(self) -> None:
        self.reads = self._counter(
            "requirements_reads", "Reads answered with database.replica_url set, by server.", "server"
        )
        for server in ("primary", "replica"):
            self.reads.labels(server)
        self.replica_lag = self._gauge(
            "requirements_replica_lag_seconds",
            "Time since the replica certainly had all commits, in the worker with the longest; 0 without a replica.",
            mode="livemax",
        )

    def answered(self, route: str | None, status: str | None, code: int, outcome: str | None, seconds: float) -> None:
        """Count one response and its duration.

        `route` is a pattern of the URL table, None if the request matched none. `status` and `outcome` are None for a
        response without an envelope.
        """
        labels = (route, status, code, outcome)
        series = self._series.get(labels)
        if series is None:
            series = self._series[labels] = self._create_series(*labels)
        count, observe = series
        count()
        observe(seconds)

    def predeclare_errors(self, route: str, errors: Iterable[tuple[type[Status], Outcome]]) -> None:
        """Create the series of these errors at `route` with the value 0.

        Prometheus sees no increase in a series that starts at 1, so an alert would miss the first error.
        """
        for status, outcome in errors:
            self._requests.labels(route, status.name, str(status.http_code), outcome)

    def _create_series(
        self, route: str | None, status: str | None, code: int, outcome: str | None
    ) -> tuple[Callable[[], None], Callable[[float], None]]:
        route = route or UNMATCHED
        requests = self._requests.labels(route, status or NO_STATUS, str(code), outcome or "none")
        return requests.inc, self._request_seconds.labels(route).observe

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(name, text, labels, buckets=buckets, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str, mode: str = "livesum") -> Gauge:
        return Gauge(name, text, labels, multiprocess_mode=mode, registry=self.registry)  # type: ignore[arg-type]  # a literal there


class ProcessMetrics:
    """The metrics of the supervisor: the processes it runs."""

    def __init__(self) -> None:
        registry = CollectorRegistry()
        self._workers = Gauge(WORKERS, "Workers that accept requests.", multiprocess_mode="max", registry=registry)
        self._restarts = Counter(
            RESTARTS, "Processes started to replace one that ended.", ["process"], registry=registry
        )
        for kind in ("worker", "console"):
            self._restarts.labels(kind)

    @contextlib.contextmanager
    def worker_serving(self) -> Iterator[None]:
        """Count one more serving worker while the context is open."""
        self._workers.inc()
        try:
            yield
        finally:
            self._workers.dec()

    def restarted(self, process: str) -> None:
        """Count one restart of a `worker` or of the `console`."""
        self._restarts.labels(process).inc()
