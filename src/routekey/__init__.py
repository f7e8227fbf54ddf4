"""routekey: the open gateway for API Gateway WebSocket APIs."""

__version__ = "0.1.0"
