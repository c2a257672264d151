"""Functions that read and write PostgreSQL, in terms of the domain. One module per subject, one SQL file per module."""
