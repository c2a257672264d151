"""What the service tells of itself: log lines and Sentry events, neither of which ever holds a secret."""
