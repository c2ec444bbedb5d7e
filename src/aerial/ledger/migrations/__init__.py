"""How the schema came to be, as Alembic reads it; part of the package, so that a wheel can migrate."""
