// The same create with net/http and pgx, written in their usual way: sequential queries in a transaction.
//
// It does the same checks and the same work as the FastAPI peer. Environment: DATABASE_URL, PORT, and POOL_SIZE (the
// maximum number of connections). It prints a line when it is ready.
package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v4/pgxpool"
)

const mostBodyBytes = 1 << 20

// Reference is a row of an association table.
type Reference struct {
	Type string `json:"type"`
	ID   int64  `json:"id"`
}

// Params are the params of a create.
type Params struct {
	Token           string    `json:"token"`
	Required        Reference `json:"required"`
	Requireable     Reference `json:"requireable"`
	Key             *string   `json:"key"`
	Value           *string   `json:"value"`
	SessionView     *string   `json:"session_view"`
	ApplicationView *string   `json:"application_view"`
}

// Requirement is a requirement's record.
type Requirement struct {
	ID          int64     `json:"id"`
	Required    Reference `json:"required"`
	Requireable Reference `json:"requireable"`
	Key         *string   `json:"key"`
	Value       *string   `json:"value"`
	CreatedAt   time.Time `json:"created_at"`
	UpdatedAt   time.Time `json:"updated_at"`
}

// Answer is the answer to a create.
type Answer struct {
	Status    string       `json:"status"`
	Message   string       `json:"message"`
	Data      *Requirement `json:"data"`
	RequestID string       `json:"request_id"`
}

// Refusal is an answer with a status other than success.
type Refusal struct {
	code            int
	status, message string
}

func (refusal *Refusal) Error() string { return refusal.message }

func invalid(message string) error { return &Refusal{http.StatusBadRequest, "invalid-param", message} }

func unauthorized(status string) error { return &Refusal{http.StatusUnauthorized, status, status} }

func (params *Params) check() error {
	if params.Token == "" {
		return &Refusal{http.StatusBadRequest, "missing-param", "token is missing"}
	}
	for name, reference := range map[string]Reference{"required": params.Required, "requireable": params.Requireable} {
		if tables[reference.Type] == "" {
			return invalid(name + ".type is unknown")
		}
		if reference.ID < 1 {
			return invalid(name + ".id is no id")
		}
	}
	if !fits(params.Key, 255) || !fits(params.Value, 4096) {
		return invalid("key or value does not fit")
	}
	if !isView(params.SessionView) || !isView(params.ApplicationView) {
		return invalid("there is no such view")
	}
	return nil
}

func fits(text *string, most int) bool {
	return text == nil || (utf8.RuneCountInString(*text) <= most && !strings.Contains(*text, "\x00"))
}

func isView(view *string) bool {
	return view == nil || *view == "default" || *view == "detailed"
}

func create(pool *pgxpool.Pool, request *http.Request, writer http.ResponseWriter) (*Requirement, error) {
	if request.Method != http.MethodPost {
		return nil, &Refusal{http.StatusMethodNotAllowed, "route-non-existent", "only POST is answered"}
	}
	var params Params
	if err := json.NewDecoder(http.MaxBytesReader(writer, request.Body, mostBodyBytes)).Decode(&params); err != nil {
		return nil, &Refusal{http.StatusBadRequest, "invalid-encoded-params", err.Error()}
	}
	if err := params.check(); err != nil {
		return nil, err
	}
	return record(request.Context(), pool, &params)
}

func answer(writer http.ResponseWriter, row *Requirement, err error) int {
	requestID := make([]byte, 16)
	rand.Read(requestID)
	code, body := http.StatusOK, Answer{"action-successful", "The requirement is recorded.", row, hex.EncodeToString(requestID)}
	var refusal *Refusal
	if errors.As(err, &refusal) {
		code, body.Status, body.Message, body.Data = refusal.code, refusal.status, refusal.message, nil
	} else if err != nil {
		log.Print(err)
		code, body.Status, body.Message, body.Data = 500, "application-crash", "Something went wrong.", nil
	}
	writer.Header().Set("Content-Type", "application/json")
	writer.WriteHeader(code)
	json.NewEncoder(writer).Encode(body)
	return code
}

func main() {
	size, err := strconv.Atoi(os.Getenv("POOL_SIZE"))
	if err != nil {
		log.Fatal(err)
	}
	config, err := pgxpool.ParseConfig(os.Getenv("DATABASE_URL"))
	if err != nil {
		log.Fatal(err)
	}
	config.MaxConns, config.MinConns = int32(size), int32(size)
	pool, err := pgxpool.ConnectConfig(context.Background(), config)
	if err != nil {
		log.Fatal(err)
	}
	http.HandleFunc("/api/v1/requirements/create", func(writer http.ResponseWriter, request *http.Request) {
		row, err := create(pool, request, writer)
		code := answer(writer, row, err)
		log.Printf("%s %s %s %d", request.RemoteAddr, request.Method, request.URL.Path, code)
	})
	listener, err := net.Listen("tcp", "127.0.0.1:"+os.Getenv("PORT"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("the Go peer is ready")
	log.Fatal(http.Serve(listener, nil))
}
