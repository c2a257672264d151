"""What is read from and written to PostgreSQL: functions over a database, in terms of the domain."""
