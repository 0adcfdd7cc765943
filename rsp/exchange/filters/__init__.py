"""What is done to requests and responses on their way."""
