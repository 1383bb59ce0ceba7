"""Statements that neither an interrupt nor a memory limit stops run in worker processes, which can be killed."""
