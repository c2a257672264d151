"""Which tests pin which part of the contract: `make test-index` prints it.

The rules are the contract's headings and the bold names below them; statuses are read from the service, and their tests
are found by the status name in the source of a test. `python -m tests.contract_index CONTRACT.md` also checks that
each numbered heading of that file is listed here.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from service.domain.statuses import STATUSES

TESTS = Path(__file__).parent


class Rule(NamedTuple):
    """A rule of the contract, and the test modules that pin it."""

    section: str
    name: str
    modules: tuple[str, ...]


# By section, then rule: paths of test modules, relative to tests/.
SECTIONS: dict[str, dict[str, str]] = {
    "1. HTTP surface": {
        "Create": "api/test_create.py",
        "Parameters of create": "api/test_params.py unit/test_schemas.py unit/test_params.py",
        "/ping, /ready": "api/test_health.py",
        "/, /docs": "api/test_docs.py browser/test_docs.py",
        "Read, index": "api/test_read.py api/test_index.py storage/test_requirement_index.py",
        "/openapi.json": "api/test_openapi.py api/test_schemathesis.py",
        "Invalid HTTP": "api/test_bad_inputs.py tools/inputs/test_framing.py",
    },
    "2. Statuses": {
        "Order of judgement": "api/test_validation_order.py",
        "Decoding": "unit/test_decoding.py tools/inputs/test_generated.py",
        "Size limit": "api/test_bad_inputs.py",
        "A database fault is never a bad token": "api/test_crashes.py tools/injection/test_nth_await.py",
    },
    "3. Envelope": {
        "Body and headers": "api/test_statuses.py api/test_response_bytes.py api/test_headers.py",
        "Errors": "api/test_params.py",
        "Views": "api/test_views.py unit/test_views.py",
        "Outcome headers": "api/test_headers.py",
    },
    "4. Writing": {
        "Exactly once": "api/test_commit.py api/test_lost_replies.py serving/test_lost_replies.py",
        "Idempotency-Key": "api/test_idempotency.py unit/test_requirements.py",
        "An existing request_uid wins": "api/test_requirement_writer.py api/test_contention.py",
        "References": "api/test_references.py api/test_contention.py",
        "Association types": "api/test_references.py cli/test_unfit_databases.py",
    },
    "Many at once": {
        "create_many and destroy_many": "api/test_batches.py unit/test_requirement_batches.py",
        "sync": "api/test_sync.py unit/test_requirement_batches.py",
        "E-mails of batches": "mail/test_batches.py",
    },
    "5. E-mail": {
        "Settings": "mail/test_settings.py",
        "First attempt": "mail/test_sending.py mail/test_response_parser.py mail/test_message.py",
        "Outbox": "mail/test_outbox.py mail/test_one_transaction.py",
        "Retries": "mail/test_dispatcher.py mail/test_workers.py",
        "Notifications of crashes": "api/test_crash_notifications.py",
    },
    "6. Tokens, sessions, registry": {
        "Tokens and sessions": "api/test_tokens.py storage/test_tokens.py",
        "last_used_at": "api/test_touch.py",
        "Registry": "storage/test_registry.py",
    },
    "7. Tables": {
        "Columns and constraints": "storage/test_schema.py",
        "Migrations": "storage/test_migrations.py",
    },
    "8. Commands and settings": {
        "Commands": "cli/test_commands.py mail/test_commands.py",
        "Exit codes": "cli/test_misuse.py",
        "Serve, signals": "serving/test_serve.py serving/test_stop.py serving/test_restart.py",
        "config.yaml": "unit/test_config.py",
        "Secrets": "security/test_canaries.py",
        "Internal listener": "serving/test_console_password.py admin/test_metrics_endpoint.py",
        "Embedded PostgreSQL": "embedded_postgres/test_server.py embedded_postgres/test_data_folder.py",
    },
    "Questions about the graph": {
        "closure": "api/test_closure.py storage/test_requirement_graph.py unit/test_closures.py",
        "path": "api/test_path.py storage/test_requirement_graph.py unit/test_closures.py",
        "Rows read, one snapshot": "storage/test_requirement_graph.py",
    },
    "For callers in Python": {
        "Methods": "client/test_methods.py client/test_batches.py client/test_changes.py",
        "Exceptions": "client/test_statuses.py",
        "Retries and deadlines": "client/test_retries.py client/test_faults.py",
        "Connections": "client/test_connections.py",
    },
    "Reads from a replica": {
        "Which server answers": "replica/test_which_server.py database/test_replay.py",
        "fresh, X-Read-After": "replica/test_which_server.py replica/test_read_your_writes.py api/test_read_after.py",
        "Tokens": "replica/test_tokens.py",
        "A lost replica": "replica/test_lost_replica.py",
    },
    "The change feed": {
        "Events": "api/test_change_feed.py",
        "Gap-free and in order": "storage/test_requirement_feed.py tools/ledger/test_follower.py",
        "Cursors, other databases": "api/test_change_feed.py storage/test_requirement_feed.py",
        "Waiting": "api/test_waiting_for_changes.py",
        "Retention": "storage/test_feed_retention.py",
    },
}


def rules() -> Iterator[Rule]:
    """Every rule with its test modules, in the contract's order."""
    for section, names in SECTIONS.items():
        if section == "2. Statuses":
            yield from statuses(section)
        for name, modules in names.items():
            yield Rule(section, name, tuple(modules.split()))


def statuses(section: str) -> Iterator[Rule]:
    """One rule for each status; its tests are those of the API and of e-mail that name it."""
    sources = {
        path.relative_to(TESTS).as_posix(): path.read_text("utf-8")
        for folder in ("api", "mail", "security")
        for path in sorted((TESTS / folder).glob("test_*.py"))
    }
    for status in STATUSES:
        yield Rule(section, status.name, tuple(path for path, text in sources.items() if f'"{status.name}"' in text))


def table() -> str:
    """The rules as aligned columns: section, rule, test modules."""
    rows = [(rule.section, rule.name, module) for rule in rules() for module in rule.modules or ("NO TEST",)]
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    lines, before = [], ("", "")
    for section, name, module in rows:
        shown = ("" if section == before[0] else section, "" if (section, name) == before else name)
        lines.append(f"{shown[0]:{widths[0]}}  {shown[1]:{widths[1]}}  {module}")
        before = (section, name)
    return "\n".join(lines)


def unlisted(contract: str) -> list[str]:
    """The numbered headings of a contract that `SECTIONS` does not list; text in brackets does not count."""
    headings = re.findall(r"^## (\d+\. [^(\n]*[^(\s])", contract, re.MULTILINE)
    return [heading for heading in headings if heading not in SECTIONS]


def main(paths: list[str]) -> int:
    """Print the table; exit status 1 if a contract at one of `paths` has a heading that is not listed."""
    print(table())  # noqa: T201 - the output of a command
    missing = [heading for path in paths for heading in unlisted(Path(path).read_text("utf-8"))]
    for heading in missing:
        print(f"Not listed: {heading}", file=sys.stderr)  # noqa: T201 - as above
    return int(bool(missing))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
