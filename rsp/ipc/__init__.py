"""What processes share: channels, and memory."""
