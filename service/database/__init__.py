"""PostgreSQL access: connections, errors, migrations and the named queries in sql/queries. Independent of HTTP."""
