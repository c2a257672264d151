"""Logs and Sentry events, with secrets removed, and background tasks whose failures are reported."""
