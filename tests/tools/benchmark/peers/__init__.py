"""Servers that the service is compared with over HTTP."""
