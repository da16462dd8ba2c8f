"""Prometheus exporter for Sungrow inverters behind WiNet, WiNet-S and WiNet-S2 gateways."""

__version__ = "0.1.0"
DEFAULT_PORT = 10182
