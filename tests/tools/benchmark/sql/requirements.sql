-- Insert the requirements $1 to $2, with time-ordered request_uids as if created over several years.
INSERT INTO requirements (
    request_uid, required_type, required_id, requireable_type, requireable_id, key, value, application_id
)
SELECT
    (lpad(to_hex(1600000000000 + n * 1000), 12, '0') || '7' || left(hash, 3) || '8' || substr(hash, 4, 15))::uuid,
    'Service', n * 7919 % 1000 + 1, 'Application', n * 104729 % 997 + 1, 'tier', 'gold', n % 1000 + 1
FROM generate_series($1::bigint, $2::bigint) AS n CROSS JOIN md5(n::text) AS hash
