"""Calling AWS services: their models, where they are, who signs, and a moto server of the gateway's own."""
