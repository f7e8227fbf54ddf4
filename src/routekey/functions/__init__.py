"""Local Lambda: registry, execution environments, Runtime API, Invoke."""
