"""The command line of aerial: parses, calls the library, prints."""
