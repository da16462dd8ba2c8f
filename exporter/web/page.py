"""The landing page: what this is, how every target stands, and where to go on."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from exporter import __version__
from exporter.telemetry import State, TargetStatus

MOST_ROWS = 200
CONTENT_SECURITY_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"

_STYLE = """
:root { color-scheme: light dark; font-family: system-ui, sans-serif; line-height: 1.45; }
body { margin: 0 auto; padding: 1rem; max-width: 60rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .4rem .6rem .4rem 0; vertical-align: top; }
tr { border-bottom: 1px solid #8884; }
td { overflow-wrap: anywhere; }
.online { color: #2a8a3e; } .bad { color: #c0392b; }
small { opacity: .75; }
@media (min-width: 36rem) { td:nth-child(-n+3), td:nth-child(-n+3) small { white-space: nowrap; } }
@media (max-width: 36rem) { table, tbody, tr, td { display: block; } thead { display: none; }
  td { padding: .1rem 0; } tr { padding: .5rem 0; } }
"""


def landing_page(statuses: Iterable[TargetStatus], telemetry_path: str, now: float) -> str:
    """HTML with everything from outside escaped. `now` is the monotonic clock that statuses are dated by."""
    all_statuses = sorted(statuses, key=lambda status: (status.state is State.ONLINE, status.info.name))
    online = sum(status.state is State.ONLINE for status in all_statuses)
    rows = "".join(_row(status, now) for status in all_statuses[:MOST_ROWS])
    left = len(all_statuses) - MOST_ROWS
    more = f"<p>… and {left} more, see the metrics.</p>" if left > 0 else ""
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>winet-exporter</title><style>{_STYLE}</style></head><body>
<h1>winet-exporter</h1>
<p><small>Version {escape(__version__)}</small> · <a href="{escape(telemetry_path)}">Metrics</a> ·
<a href="/-/healthy">Health</a> · <a href="/-/ready">Readiness</a></p>
<p>{online} of {len(all_statuses)} targets online.</p>
<table><thead><tr><th>Target</th><th>State</th><th>Devices</th><th>Last error</th></tr></thead>
<tbody>{rows}</tbody></table>{more}
<p><small>This exporter asks nobody for a password: keep its port inside your network.</small></p>
</body></html>
"""


def _row(status: TargetStatus, now: float) -> str:
    kind = "online" if status.state is State.ONLINE else "bad" if status.error else ""
    state = str(status.state).replace("_", " ")
    wait = ""
    if status.retry_at is not None and status.retry_at > now:
        wait = f"<br><small>next try in {_span(status.retry_at - now)}</small>"
    count = status.device_count
    devices = "" if count is None else f"{count} device{'s' if count != 1 else ''}"
    down = ""
    if status.failing_since is not None and status.state is not State.ONLINE:
        down = f"<br><small>down for {_span(now - status.failing_since)}</small>"
    age = f"<small>for {_span(now - status.since)}</small>"
    advice = f"<br><small>{escape(status.advice)}</small>" if status.error and status.advice else ""
    return (
        f"<tr><td><b>{escape(status.info.name)}</b><br><small>{escape(status.info.host)} "
        f"{escape(status.info.transport)}</small></td>"
        f'<td><span class="{kind}">{escape(state)}</span> {age}{down}{wait}</td>'
        f"<td>{devices}</td><td>{escape(status.error)}{advice}</td></tr>"
    )


def _span(seconds: float) -> str:
    """A length of time as a person would say it."""
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{max(seconds, 0.0):.0f} s"
