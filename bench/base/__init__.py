"""The bare servers and loops that the gateway is measured against."""
