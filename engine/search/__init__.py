"""Corpora, their generations, and how a question finds its rows."""
