"""What is measured, in whichever process, and what became of it within the last hour."""
