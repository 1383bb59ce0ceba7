"""The house: storage, search, memory, models, and the session that runs SQL over them. Knows no network."""
