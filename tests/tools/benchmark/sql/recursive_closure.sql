-- The closure of the thing $1, $2 as one statement, the way one writes it by hand.
WITH RECURSIVE closure (type, id, depth) AS (
    SELECT required_type, required_id, 1
    FROM requirements
    WHERE requireable_type = $1 AND requireable_id = $2
    UNION ALL
    SELECT requirements.required_type, requirements.required_id, closure.depth + 1
    FROM closure
    JOIN requirements
        ON requirements.requireable_type = closure.type AND requirements.requireable_id = closure.id
    WHERE closure.depth < 64
) CYCLE type, id SET is_cycle USING path
SELECT type, id, min(depth) AS depth FROM closure WHERE NOT is_cycle GROUP BY type, id;
