-- name: begin_transaction
-- Begin a transaction whose later statements see what was committed while earlier ones waited.
BEGIN ISOLATION LEVEL READ COMMITTED;

-- name: commit_transaction
-- Commit the transaction.
COMMIT;

-- name: roll_back_transaction
-- Undo what the transaction has done.
ROLLBACK;
