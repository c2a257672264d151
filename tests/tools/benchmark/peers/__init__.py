"""What the service is compared with over HTTP."""
