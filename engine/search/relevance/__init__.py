"""The relevance filter: is a chunk about the focus file, or about something that this file only imports?"""
