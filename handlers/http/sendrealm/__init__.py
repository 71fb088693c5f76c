"""Sendrealm's dialect: `{data}` envelopes, prefixed paths without a version, omitted keys."""
