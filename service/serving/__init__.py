"""Running the application: a supervisor, and worker processes behind one listening socket."""
