"""Quotas of spec 11.1, as settings."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Quotas:
    """What one connection may do, and how many things an API may have."""

    idle_timeout: float = 600.0  # seconds without data in either direction
    max_connection_age: float = 7200.0  # seconds
    max_message: int = 128 * 1024  # bytes, both ways
    max_frame: int = 32 * 1024  # bytes, from clients
    max_url: int = 4096  # characters, query included
    connect_rate: float = 500.0  # new connections a second; 0 lifts it
    connect_burst: int = 5000
    in_flight: int = 64  # messages of one connection under way; beyond it, its reading pauses
    send_buffer: int = 1024 * 1024  # bytes that wait for one slow client
    slow_client: float = 30.0  # seconds that a full buffer is borne

    routes: int = 300
    integrations: int = 300
    stages: int = 10
    authorizers: int = 10
    stage_variables: int = 100
    stage_variable_name: int = 64
    stage_variable_value: int = 512
    v1_vpc_links: int = 20
    domain_names: int = 120
