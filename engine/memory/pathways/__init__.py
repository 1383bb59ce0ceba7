"""Pathway memory: how tasks were solved in an area of the files, replayed while it works and then retired."""
