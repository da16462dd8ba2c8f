"""Tests of the boards. Their library warns when imported; the builder sees to that, so it comes first."""

import grafana  # noqa: F401
