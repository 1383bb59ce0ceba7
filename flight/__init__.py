"""The Arrow Flight SQL door: decodes a request, speaks SQL to a session, streams the answer."""
