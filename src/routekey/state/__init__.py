"""What outlives a process: the store and its engines."""
