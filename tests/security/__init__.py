"""What must not leave, and what must not be told by how long an answer takes."""
