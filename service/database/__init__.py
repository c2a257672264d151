"""PostgreSQL: reaching it, its migrations, and the SQL that ships with the code. Knows nothing of HTTP."""
