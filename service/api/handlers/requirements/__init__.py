"""One file per action on requirements."""
