"""Settings of a town: flag, else environment, else aerial.toml, else default."""
