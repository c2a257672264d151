-- name: list_index_page
-- A page of a list that is sorted in the order of the index that is scanned.
--   $1          text     required_type; null in this and the following: any
--   $2          bigint   required_id
--   $3          text     requireable_type
--   $4          bigint   requireable_id
--   $5          text     key
--   $6          boolean  whether the requirements are those without a key
--   $7          bigint   application_id
--   $8          bigint   user_id
--   $9          text     the earliest created_at
--   $10         text     the time that created_at must be before
--   $11         text     a text that the key or the value contains, letter case apart
--   $12         boolean  whether to look for it in the key
--   $13         boolean  whether to look for it in the value
--   $14         boolean  whether the caller sees all requirements; null counts as false
--   $15         bigint   the user whose requirements the caller sees otherwise
--   $16         bigint   maximum number of rows to read
--   $17         bigint   id at which the page starts
--   $18         bigint   number of matching rows to skip
--   $19         bigint   maximum number of rows to return
--   $20         text     time at which the page starts; only in a list by time; null: at its beginning
--   {scan}      a scan block
--   {position}  the column that the list is sorted by
-- Returns the matching rows, and the last row that may be read if the scan gets there, matching or not: the next page
-- starts after it. place is the number of rows read up to the row, and matched the number of those that match.
-- The first columns are in the order of create_requirements.
-- A list reads at most $16 rows, whatever its filters are: a scan block reads one index in order, and the filters are
-- applied to its rows. The window functions take the rows one by one, so that the scan ends with the page.
SELECT
    id, required_type, required_id, requireable_type, requireable_id, key, value, created_at, updated_at,
    params_digest, to_json({position}) #>> '{}' AS position, matches, matched, place
FROM (
    SELECT
        scanned.*,
        row_number() OVER () AS place,
        count(*) FILTER (WHERE matches) OVER (ROWS UNBOUNDED PRECEDING) AS matched
    FROM (
        {scan}
    ) AS scanned
) AS counted
WHERE (matches AND matched > $18::bigint) OR place = $16::bigint
LIMIT $19::bigint;

-- name: list_set_page
-- A page of a list that is not sorted in the order of the index that is scanned: all rows of the scan are read.
--   $1           text     required_type; null in this and the following: any
--   $2           bigint   required_id
--   $3           text     requireable_type
--   $4           bigint   requireable_id
--   $5           text     key
--   $6           boolean  whether the requirements are those without a key
--   $7           bigint   application_id
--   $8           bigint   user_id
--   $9           text     the earliest created_at
--   $10          text     the time that created_at must be before
--   $11          text     a text that the key or the value contains, letter case apart
--   $12          boolean  whether to look for it in the key
--   $13          boolean  whether to look for it in the value
--   $14          boolean  whether the caller sees all requirements; null counts as false
--   $15          bigint   the user whose requirements the caller sees otherwise
--   $16          bigint   maximum number of rows to read
--   $17          bigint   id at which the page starts
--   $18          bigint   number of matching rows to skip
--   $19          bigint   maximum number of rows to return
--   $20          text     time at which the page starts; only in a list by time; null: at its beginning
--   {scan}       a scan block
--   {start}      a block that compares a row with the start of the page
--   {position}   the column that the list is sorted by
--   {direction}  ASC or DESC
-- Returns the matching rows, or one row without an id if there is none. scanned is the number of rows read: if it is
-- $16, more rows may match.
-- The first columns are in the order of create_requirements.
WITH scanned AS MATERIALIZED (
    {scan}
)
SELECT
    page.id, page.required_type, page.required_id, page.requireable_type, page.requireable_id, page.key, page.value,
    page.created_at, page.updated_at, page.params_digest, to_json(page.{position}) #>> '{}' AS position, total.scanned
FROM (SELECT count(*) AS scanned FROM scanned) AS total
LEFT JOIN LATERAL (
    SELECT * FROM scanned
    WHERE matches AND {start}
    ORDER BY {position} {direction}, id {direction}
    OFFSET $18::bigint LIMIT $19::bigint
) AS page ON true;

-- name: count_index
-- The number of requirements in a list.
--   $1      text     required_type; null in this and the following: any
--   $2      bigint   required_id
--   $3      text     requireable_type
--   $4      bigint   requireable_id
--   $5      text     key
--   $6      boolean  whether the requirements are those without a key
--   $7      bigint   application_id
--   $8      bigint   user_id
--   $9      text     the earliest created_at
--   $10     text     the time that created_at must be before
--   $11     text     a text that the key or the value contains, letter case apart
--   $12     boolean  whether to look for it in the key
--   $13     boolean  whether to look for it in the value
--   $14     boolean  whether the caller sees all requirements; null counts as false
--   $15     bigint   the user whose requirements the caller sees otherwise
--   $16     bigint   maximum number of rows to read
--   $17     bigint   maximum number to count
--   {scan}  a scan block
-- matched is the number, and cut is true if more rows than may be read would have to be.
SELECT count(*) FILTER (WHERE matches) AS matched, coalesce(bool_or(place = $16::bigint), false) AS cut
FROM (
    SELECT place, matches
    FROM (
        SELECT row_number() OVER () AS place, matches
        FROM (
            {scan}
        ) AS scanned
    ) AS numbered
    WHERE matches OR place = $16::bigint
    LIMIT $17::bigint
) AS counted;

-- name: probe_scan
-- How many rows a scan reads, and how many of them match.
--   $1        text     required_type; null in this and the following: any
--   $2        bigint   required_id
--   $3        text     requireable_type
--   $4        bigint   requireable_id
--   $5        text     key
--   $6        boolean  whether the requirements are those without a key
--   $7        bigint   application_id
--   $8        bigint   user_id
--   $9        text     the earliest created_at
--   $10       text     the time that created_at must be before
--   $11       text     a text that the key or the value contains, letter case apart
--   $12       boolean  whether to look for it in the key
--   $13       boolean  whether to look for it in the value
--   $14       boolean  whether the caller sees all requirements; null counts as false
--   $15       bigint   the user whose requirements the caller sees otherwise
--   $16       bigint   maximum number of rows to read
--   {scan}    a scan block
--   {number}  a number to tell the rows of several probes apart
SELECT {number} AS number, count(*) AS scanned, count(*) FILTER (WHERE matches) AS matched
FROM (
    {scan}
) AS scanned;

-- name: index_matches
-- A part of the scan blocks: whether a row is in the list. The parameters are those of list_index_page.
($1::text IS NULL OR required_type = $1) AND ($2::bigint IS NULL OR required_id = $2)
    AND ($3::text IS NULL OR requireable_type = $3) AND ($4::bigint IS NULL OR requireable_id = $4)
    AND ($5::text IS NULL OR key = $5) AND ($6::boolean IS NOT true OR key IS NULL)
    AND ($7::bigint IS NULL OR application_id = $7) AND ($8::bigint IS NULL OR user_id = $8)
    AND ($9::text IS NULL OR created_at >= $9::timestamptz) AND ($10::text IS NULL OR created_at < $10::timestamptz)
    AND (
        $11::text IS NULL
        OR ($12::boolean AND strpos(lower(key), lower($11)) > 0)
        OR ($13::boolean AND strpos(lower(value), lower($11)) > 0)
    )
    AND ($14::boolean OR user_id = $15::bigint);

-- A scan block reads one index, in its order, from a start on. It leaves no choice to the planner: the last column that
-- must have one value is compared as a range, and the order includes it, so that only this index has the order.
-- The start is a position in the index, so that a page far down costs what the first one does.
-- The end is a condition of its own on one column: before PostgreSQL 18 a row comparison does not end a scan.

-- name: scan_all
-- All requirements, by id.
--   {matches}    the block index_matches
--   {beyond}     how a row compares with the start: > or >=; descending, < or <=
--   {id}         the id of the start
--   {direction}  ASC or DESC
SELECT *, {matches} AS matches
FROM requirements
WHERE id {beyond} {id}
ORDER BY id {direction}
LIMIT $16::bigint;

-- name: scan_end
-- The requirements with one required or requireable reference, by id.
--   {matches}    the block index_matches
--   {end}        required or requireable
--   {type}       the parameter with the type of the reference
--   {value}      the parameter with the id of the reference
--   {beyond}     how a row compares with the start: > or >=; descending, < or <=
--   {within}     how a row compares with the end: <=; descending, >=
--   {id}         the id of the start
--   {direction}  ASC or DESC
SELECT *, {matches} AS matches
FROM requirements
WHERE {end}_type = {type} AND ({end}_id, id) {beyond} ({value}, {id}) AND {end}_id {within} {value}
ORDER BY {end}_id {direction}, id {direction}
LIMIT $16::bigint;

-- name: scan_end_type
-- The requirements whose required or requireable reference has one type, by the id of the reference.
--   {matches}  the block index_matches
--   {end}      required or requireable
--   {type}     the parameter with the type of the reference
SELECT *, {matches} AS matches
FROM requirements
WHERE {end}_type = {type}
ORDER BY {end}_id, id
LIMIT $16::bigint;

-- name: scan_key
-- The requirements with one key, by id.
--   {matches}    the block index_matches
--   {beyond}     how a row compares with the start: > or >=; descending, < or <=
--   {within}     how a row compares with the end: <=; descending, >=
--   {id}         the id of the start
--   {direction}  ASC or DESC
SELECT *, {matches} AS matches
FROM requirements
WHERE (key, id) {beyond} ($5, {id}) AND key {within} $5
ORDER BY key {direction}, id {direction}
LIMIT $16::bigint;

-- name: scan_without_key
-- The requirements without a key, by id.
--   {matches}    the block index_matches
--   {beyond}     how a row compares with the start: > or >=; descending, < or <=
--   {id}         the id of the start
--   {direction}  ASC or DESC
SELECT *, {matches} AS matches
FROM requirements
WHERE key IS NULL AND id {beyond} {id}
ORDER BY key {direction}, id {direction}
LIMIT $16::bigint;

-- name: scan_caller
-- The requirements of one application or user, by id.
--   {matches}    the block index_matches
--   {column}     application_id or user_id
--   {value}      the parameter with its value
--   {beyond}     how a row compares with the start: > or >=; descending, < or <=
--   {within}     how a row compares with the end: <=; descending, >=
--   {id}         the id of the start
--   {direction}  ASC or DESC
SELECT *, {matches} AS matches
FROM requirements
WHERE ({column}, id) {beyond} ({value}, {id}) AND {column} {within} {value}
ORDER BY {column} {direction}, id {direction}
LIMIT $16::bigint;

-- name: scan_created_up
-- The requirements created in a range of time, earliest first.
--   {matches}  the block index_matches
--   {beyond}   how a row compares with the start: > or >=
--   {time}     the time of the start; null: that of the range
--   {id}       the id of the start
SELECT *, {matches} AS matches
FROM requirements
WHERE
    (created_at, id) {beyond} (coalesce({time}, $9::timestamptz, '-infinity'), {id})
    AND created_at <= coalesce($10::timestamptz - interval '1 microsecond', 'infinity')
ORDER BY created_at, id
LIMIT $16::bigint;

-- name: scan_created_down
-- The requirements created in a range of time, latest first.
--   {matches}  the block index_matches
--   {beyond}   how a row compares with the start: < or <=
--   {time}     the time of the start; null: that of the range
--   {id}       the id of the start
SELECT *, {matches} AS matches
FROM requirements
WHERE
    (created_at, id) {beyond} (coalesce({time}, $10::timestamptz - interval '1 microsecond', 'infinity'), {id})
    AND created_at >= coalesce($9::timestamptz, '-infinity')
ORDER BY created_at DESC, id DESC
LIMIT $16::bigint;

-- name: scan_updated
-- All requirements, by the time of their last change.
--   {matches}    the block index_matches
--   {beyond}     how a row compares with the start: > or >=; descending, < or <=
--   {time}       the time of the start; null: before the first row
--   {first}      '-infinity'; descending, 'infinity'
--   {id}         the id of the start
--   {direction}  ASC or DESC
SELECT *, {matches} AS matches
FROM requirements
WHERE (updated_at, id) {beyond} (coalesce({time}, {first}), {id})
ORDER BY updated_at {direction}, id {direction}
LIMIT $16::bigint;

-- name: start_by_id
-- A part of list_set_page: whether a row is on the page or after it, in a list by id.
--   {beyond}  how a row compares with the start: > or >=; descending, < or <=
id {beyond} $17::bigint;

-- name: start_by_time
-- A part of list_set_page: whether a row is on the page or after it, in a list by a time.
--   {position}  the column that the list is sorted by
--   {beyond}    how a row compares with the start: > or >=; descending, < or <=
($20::text IS NULL OR ({position}, id) {beyond} ($20::timestamptz, $17::bigint));
