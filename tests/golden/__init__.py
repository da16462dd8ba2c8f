"""What the exporter makes of whole gateways, word for word. `python -m tests.golden` writes it anew."""
