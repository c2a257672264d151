"""Pure rules and values: no HTTP, no database, no I/O."""
