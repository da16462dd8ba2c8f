"""The serving side of HTTP: routes, content negotiation and pages, from caches only."""
