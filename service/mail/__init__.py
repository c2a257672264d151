"""E-mails about new requirements, sent through Mandrill from an outbox table."""
