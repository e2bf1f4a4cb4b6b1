"""The ways an email can go: each a `Provider` that knows one service and nothing of queues, tables or retries."""
