"""One file a command group; each is imported when it is used."""
