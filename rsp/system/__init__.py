"""What the operating system gives and takes: descriptors, memory, privileges, listening sockets."""
