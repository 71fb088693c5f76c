"""The only outgoing I/O: one module for each way to send a message."""
