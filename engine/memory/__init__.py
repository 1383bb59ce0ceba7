"""What the lake learns from outcomes."""
