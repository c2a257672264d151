-- Insert the users $1 to $2: all are clients, every tenth is also an employee.
WITH made AS (
    INSERT INTO users (email)
    SELECT 'benchmark-' || n || '@example.com' FROM generate_series($1::bigint, $2::bigint) AS n
    RETURNING id
),
employed AS (INSERT INTO employees (user_id) SELECT id FROM made WHERE id % 10 = 0)
INSERT INTO clients (user_id) SELECT id FROM made
