"""The REST API (/api/v4), a file for each kind of thing that it is about."""
