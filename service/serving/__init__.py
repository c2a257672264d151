"""Server processes: a supervisor, and workers that accept connections from one listening socket."""
