"""RevKeen's dialect: below `/v2`, `object` in every resource, each key always there."""
