"""Bytes to typed values and back: HTTP/1.1, WebSocket frames, REST-JSON, TLS, listeners."""
