"""The data plane: the life of a connection."""
