"""The database of what people decided and what was sent; SQLite on a laptop, PostgreSQL at headquarters."""
