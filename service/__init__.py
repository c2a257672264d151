"""The requirements service: an HTTP API that records that one thing requires another."""

__version__ = "0.1.0"
