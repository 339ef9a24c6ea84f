"""PostgreSQL and Valkey as local child processes, for `./dev up` and the tests. May import domain and settings."""
