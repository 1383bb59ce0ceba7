"""Modes: what goes into a prompt for a task, and one call of a model with it."""
