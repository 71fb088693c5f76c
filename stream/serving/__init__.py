"""What moves when HTTP is served: the server, its connections, and events on their way to Kafka."""
