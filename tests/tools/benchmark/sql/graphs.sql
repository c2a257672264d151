-- $1 requirements in graphs of four shapes, a quarter each. The type of a thing is the shape of its graph.
WITH numbered AS (
    SELECT edge, random() AS first, random() AS second FROM generate_series(1, $1::bigint / 4) AS edge
),
edges (shape, requireable_id, required_id) AS (
    -- one chain
    SELECT 'chain', edge, edge + 1 FROM numbered
    UNION ALL
    -- stars with 8,000 leaves each
    SELECT 'star', edge / 8000 + 1, 1000000000 + edge FROM numbered
    UNION ALL
    -- each thing requires 2 or 3 others, any of them
    SELECT 'random', 1 + edge % ($1::bigint / 10), 1 + (second * $1::bigint / 10)::bigint FROM numbered
    UNION ALL
    -- few things are required by many others, and 1 requirement of 20 leads the other way
    SELECT
        'scale-free',
        CASE WHEN edge % 20 = 0 THEN earlier ELSE later END,
        CASE WHEN edge % 20 = 0 THEN later ELSE earlier END
    FROM numbered
    CROSS JOIN LATERAL (
        SELECT 1 + edge / 3 AS later, 1 + (power(first, 3) * (edge / 3))::bigint AS earlier
    ) AS ends
)
INSERT INTO requirements (requireable_type, requireable_id, required_type, required_id)
SELECT shape, requireable_id, shape, required_id FROM edges;
