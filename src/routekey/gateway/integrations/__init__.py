"""What a route can call: one file per integration type."""
