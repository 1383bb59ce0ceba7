"""Folders of code and text as rows that a corpus can be made of: documents, definitions, findings."""
