"""From Kafka to batches: a member of the group whose pitfalls are closed (rules E3, D1, W4)."""
