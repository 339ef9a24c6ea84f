-- The API tells whether its database has the schema that it was written for.
GRANT SELECT (version) ON schema_migrations TO mintql_api;
