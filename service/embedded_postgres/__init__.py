"""An embedded PostgreSQL: a server that runs as a child process, with its data in a folder."""
