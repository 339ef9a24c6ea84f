"""Typed functions over named SQL (`sql/*.sql`). Rows in, plain values out; no decisions."""
