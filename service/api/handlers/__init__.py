"""What answers a request once it has passed the middlewares."""
