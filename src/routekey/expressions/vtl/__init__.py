"""The mapping-template language: Velocity 1.7 as API Gateway uses it (spec vtl)."""
