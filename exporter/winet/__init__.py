"""The device half: sessions with gateways. Knows WebSockets, never Prometheus or the serving of HTTP."""
