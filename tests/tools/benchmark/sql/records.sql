-- Insert 1,000 services, applications and tokens, with the ids 1 to 1,000. Application n has the token
-- benchmark-application-n, n padded with zeros to 21 digits.
INSERT INTO services (name) SELECT 'benchmark-' || n FROM generate_series(1, 1000) AS n;

INSERT INTO applications (slug, name) SELECT 'benchmark-' || n, 'Benchmark ' || n FROM generate_series(1, 1000) AS n;

INSERT INTO application_tokens (application_id, token_digest)
SELECT n, sha256(('benchmark-application-' || lpad(n::text, 21, '0'))::bytea) FROM generate_series(1, 1000) AS n;
