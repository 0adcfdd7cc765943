"""What rsp says: messages, access logs, and the descriptors that they go to."""
