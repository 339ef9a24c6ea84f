"""Use cases, one file per noun. Takes a database connection and plain values, never GraphQL types. The caller owns the transaction; what must happen after commit is returned as `Effects`."""
