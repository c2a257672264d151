"""Bad inputs as data: each case is one line in the file of its kind."""
