"""Tests that secrets do not leak, and that response times reveal nothing about tokens."""
