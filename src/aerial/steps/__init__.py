"""One file an arrow of the flow: read, call the stage, write, record."""
