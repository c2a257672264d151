-- Insert the sessions $1 to $2 of the first $3 users. Session n has the token benchmark-session-n, n padded with zeros to 25
-- digits.
INSERT INTO sessions (user_id, application_id, token_digest)
SELECT n % $3 + 1, n % 1000 + 1, sha256(('benchmark-session-' || lpad(n::text, 25, '0'))::bytea)
FROM generate_series($1::bigint, $2::bigint) AS n
