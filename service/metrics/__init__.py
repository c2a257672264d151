"""The metrics of all processes: definitions, files, aggregation, and the last hour in memory."""
