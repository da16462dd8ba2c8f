"""Grafana dashboards as code: `make dashboards` writes `grafana/dashboards/*.json`."""

import warnings

with warnings.catch_warnings():
    # The library would rather see Grafana's second schema, which none before 12 can import.
    warnings.simplefilter("ignore", DeprecationWarning)
    import grafana_foundation_sdk.builders.barchart
    import grafana_foundation_sdk.builders.dashboard  # noqa: F401
