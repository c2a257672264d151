"""A PostgreSQL server run as a child process, with its data in a folder."""
