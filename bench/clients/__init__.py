"""Clients that need more than the load generator does."""
