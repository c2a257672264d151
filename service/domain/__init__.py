"""The rules of the service as pure functions and values: no HTTP, no database, no I/O."""
