"""The n-th await: whatever a request waits for is made to fail, one operation after another, in every way."""
