"""Buckets, datasets and how files become tables."""
