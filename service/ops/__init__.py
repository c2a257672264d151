"""The internal listener, for the team and its monitoring: never public."""
