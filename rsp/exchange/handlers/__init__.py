"""What produces a response."""
