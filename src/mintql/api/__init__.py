"""GraphQL and nothing else knows it. Types, limits, errors and one file per noun; calls services with plain values."""
