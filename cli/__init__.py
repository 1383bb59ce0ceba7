"""The command line: it starts the doors, or is a client of a server that runs, and adds nothing to the SQL."""
