"""The Prometheus half: families and samples. Knows no sockets, no tasks and nothing of the device half."""
