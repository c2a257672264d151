"""Telling people of new requirements by e-mail: through Mandrill, from an outbox."""
