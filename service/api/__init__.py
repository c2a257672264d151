"""The public HTTP application."""
