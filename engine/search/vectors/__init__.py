"""Vectors of a segment: how they are stored, compared and searched. One engine a module, behind one protocol."""
