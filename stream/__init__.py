"""What moves: everything that reads, writes, waits or talks to the world."""
