"""The only part that touches a running model."""
