package main

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v4"
	"github.com/jackc/pgx/v4/pgxpool"
)

var tables = map[string]string{
	"Application": "applications",
	"Client":      "clients",
	"Employee":    "employees",
	"Liaison":     "liaisons",
	"Route":       "routes",
	"Service":     "services",
	"User":        "users",
}

// Caller is the caller of a request.
type Caller struct {
	ApplicationID, UserID, SessionID *int64
}

func authenticate(ctx context.Context, tx pgx.Tx, token string) (Caller, error) {
	var id int64
	var active bool
	var revokedAt *time.Time
	err := tx.QueryRow(ctx, `
		SELECT applications.id, applications.active, application_tokens.revoked_at
		FROM application_tokens JOIN applications ON applications.id = application_tokens.application_id
		WHERE token_digest = sha256(convert_to($1, 'UTF8'))`, token).Scan(&id, &active, &revokedAt)
	if errors.Is(err, pgx.ErrNoRows) {
		return authenticateSession(ctx, tx, token)
	}
	if err == nil && (revokedAt != nil || !active) {
		err = unauthorized("invalid-token")
	}
	return Caller{ApplicationID: &id}, err
}

// authenticateSession also records the session's use once a minute.
func authenticateSession(ctx context.Context, tx pgx.Tx, token string) (Caller, error) {
	var id, userID int64
	var applicationID *int64
	var rememberMe bool
	var active *bool
	var revokedAt *time.Time
	var createdAt, lastUsedAt, now time.Time
	err := tx.QueryRow(ctx, `
		SELECT sessions.id, sessions.user_id, sessions.application_id, sessions.remember_me, sessions.revoked_at,
			sessions.created_at, sessions.last_used_at, applications.active, now()
		FROM sessions LEFT JOIN applications ON applications.id = sessions.application_id
		WHERE token_digest = sha256(convert_to($1, 'UTF8'))`, token).Scan(
		&id, &userID, &applicationID, &rememberMe, &revokedAt, &createdAt, &lastUsedAt, &active, &now)
	if errors.Is(err, pgx.ErrNoRows) || (err == nil && (revokedAt != nil || (active != nil && !*active))) {
		return Caller{}, unauthorized("invalid-token")
	}
	if err != nil {
		return Caller{}, err
	}
	age, idle := now.Sub(createdAt), now.Sub(lastUsedAt)
	if !rememberMe && (age > 7*24*time.Hour || idle > 72*time.Hour) {
		return Caller{}, unauthorized("session-expired")
	}
	var client, employee, liaison bool
	err = tx.QueryRow(ctx, `
		SELECT EXISTS (SELECT FROM clients WHERE user_id = $1), EXISTS (SELECT FROM employees WHERE user_id = $1),
			EXISTS (SELECT FROM liaisons WHERE user_id = $1)`, userID).Scan(&client, &employee, &liaison)
	if err == nil && !client && !employee && !liaison {
		err = unauthorized("client-required")
	}
	if err == nil && idle > time.Minute {
		_, err = tx.Exec(ctx, "UPDATE sessions SET last_used_at = now() WHERE id = $1", id)
	}
	return Caller{applicationID, &userID, &id}, err
}

// checkReference locks the referenced row.
func checkReference(ctx context.Context, tx pgx.Tx, name string, reference Reference) error {
	var found int
	query := "SELECT 1 FROM " + tables[reference.Type] + " WHERE id = $1 FOR KEY SHARE"
	err := tx.QueryRow(ctx, query, reference.ID).Scan(&found)
	if errors.Is(err, pgx.ErrNoRows) {
		return invalid(name + ".id does not exist")
	}
	return err
}

func insert(ctx context.Context, tx pgx.Tx, params *Params, caller Caller) (*Requirement, error) {
	row := &Requirement{Required: params.Required, Requireable: params.Requireable}
	err := tx.QueryRow(ctx, `
		INSERT INTO requirements (
			required_type, required_id, requireable_type, requireable_id, key, value,
			application_id, user_id, session_id
		)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
		RETURNING id, key, value, created_at, updated_at`,
		params.Required.Type, params.Required.ID, params.Requireable.Type, params.Requireable.ID, params.Key,
		params.Value, caller.ApplicationID, caller.UserID, caller.SessionID,
	).Scan(&row.ID, &row.Key, &row.Value, &row.CreatedAt, &row.UpdatedAt)
	return row, err
}

func record(ctx context.Context, pool *pgxpool.Pool, params *Params) (row *Requirement, err error) {
	err = pool.BeginFunc(ctx, func(tx pgx.Tx) error {
		caller, err := authenticate(ctx, tx, params.Token)
		if err != nil {
			return err
		}
		if err = checkReference(ctx, tx, "required", params.Required); err != nil {
			return err
		}
		if err = checkReference(ctx, tx, "requireable", params.Requireable); err != nil {
			return err
		}
		row, err = insert(ctx, tx, params, caller)
		return err
	})
	return row, err
}
