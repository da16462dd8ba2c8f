"""The status page: its frame, its assets and the policy that lets nothing else in."""

from __future__ import annotations

import base64
import hashlib
from importlib.resources import files
from urllib.parse import urlencode

from exporter import __version__
from exporter.telemetry import State
from exporter.web.cards import card
from exporter.web.listing import Listing, Query, Turns
from exporter.web.markup import Html, element, empty, foreign
from exporter.web.status import NotReloaded
from exporter.web.visits import Options
from exporter.web.words import plain, span

TARGETS_A_PAGE = 24
_OPEN = "This exporter asks nobody for a password: keep its port inside your network."
_PLACE = Html("<!--cards-->")  # where they go; they are many, and are not copied with every element around
_ICON = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E"
    "%3Ccircle cx='8' cy='8' r='6' fill='%23e0a000'/%3E%3C/svg%3E"
)


def _asset(name: str) -> str:
    return files("exporter.web").joinpath("static", name).read_text("utf-8")


def _source(text: str) -> str:
    """The hash by which the policy knows an inline asset."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


_STYLE, _SCRIPT = _asset("status.css"), _asset("status.js")
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        f"script-src {_source(_SCRIPT)}",
        f"style-src {_source(_STYLE)}",
        "connect-src 'self'",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)


async def status_page(listing: Listing, options: Options, refused: NotReloaded | None = None) -> bytes:
    """The page of these targets. Links are relative, so that a proxy may put it under any path."""
    turns = Turns()
    cards = []
    for target in listing.targets:
        cards.append(card(target).encode())
        await turns.pause()
    body = element(
        "body", {},
        _header(listing, options),
        element(
            "main", {"id": "main", "data-lifecycle": str(options.lifecycle).lower(),
                     "data-limit": str(listing.query.limit)},
            _search(listing),
            element("p", {"id": "trouble", "role": "alert", "hidden": ""}),
            _reload(refused),
            element("div", {"id": "cards"}, _PLACE),
            element("p", {"id": "nothing", **({"hidden": ""} if cards else {})}, "No target matches."),
            _pager(listing),
        ),
        _footer(options),
        element("script", {}, Html(_SCRIPT)),
    )  # fmt: skip
    page = f"<!doctype html>\n{element('html', {'lang': 'en'}, _head(listing), body)}\n"
    before, _, after = page.partition(_PLACE)
    return b"".join((before.encode(), *cards, after.encode()))


def _head(listing: Listing) -> Html:
    return element(
        "head", {},
        empty("meta", {"charset": "utf-8"}),
        empty("meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"}),
        empty("meta", {"name": "color-scheme", "content": "light dark"}),
        empty("link", {"rel": "icon", "href": _ICON}),
        element("title", {}, title(listing)),
        element("style", {}, Html(_STYLE)),
    )  # fmt: skip


def title(listing: Listing) -> str:
    """A tab in the background tells of problems too."""
    return f"({listing.problems}) winet-exporter" if listing.problems else "winet-exporter"


def _header(listing: Listing, options: Options) -> Html:
    links = [("Metrics", options.telemetry_path.lstrip("/")), ("JSON", "api/v1/status")]
    if options.config_page:
        links.append(("Configuration", "config"))
    links += [("Health", "-/healthy"), ("Readiness", "-/ready")]
    made = [element("a", {"href": f"./{path}"}, name) for name, path in links]
    if options.docs_url:
        made.append(element("a", {"href": options.docs_url}, "Documentation"))
    return element(
        "header", {"class": "top"},
        element("h1", {}, "winet-exporter ", element("small", {}, __version__)),
        element("nav", {"aria-label": "Exporter"}, *made),
        element("p", {"id": "summary"}, summary(listing)),
    )  # fmt: skip


def summary(listing: Listing) -> str:
    """How many targets are online, and how many need a look."""
    count = sum(listing.states.values())
    which = "" if count == listing.known else "matching "
    online = f"{listing.states[State.ONLINE]} of {count} {which}target{'' if count == 1 else 's'} online"
    if not listing.problems:
        return f"{online}."
    return f"{online}, {listing.problems} need{'s' if listing.problems == 1 else ''} a look."


def _reload(refused: NotReloaded | None) -> Html:
    """What became of the newest configuration, if it is not the one in force."""
    if refused is None:
        return element("div", {"id": "reload", "hidden": ""})
    ago = f"A new configuration was refused {span(refused.age_seconds)} ago; the old one stays in force."
    return element(
        "div", {"id": "reload"},
        element("p", {"class": "what"}, ago),
        element("p", {"role": "alert"}, foreign(refused.error)),
        element("p", {}, "The log and winet-exporter check-config name every mistake."),
    )  # fmt: skip


def _search(listing: Listing) -> Html:
    query = listing.query
    options = [element("option", {"value": ""}, f"all ({sum(listing.states.values())})")]
    for state, count in listing.states.items():
        chosen = {"selected": ""} if state is query.state else {}
        options.append(element("option", {"value": str(state), **chosen}, f"{plain(state)} ({count})"))
    field = {"type": "search", "id": "q", "name": "q", "maxlength": "256", "autocomplete": "off"}
    return element(
        "form", {"id": "search", "role": "search", "method": "get", "action": "./"},
        element("label", {"for": "q"}, "Name, host or label"), empty("input", {**field, "value": query.text}),
        element("label", {"for": "state"}, "State"),
        element("select", {"id": "state", "name": "state"}, *options),
        element("button", {}, "Show"),
        element("p", {"id": "updated"}),
        element("noscript", {}, element("p", {}, "Without JavaScript, reload for newer values.")),
    )  # fmt: skip


def _pager(listing: Listing) -> Html:
    query, total = listing.query, listing.total
    last = min(query.offset + query.limit, total)
    where = f"{query.offset + 1} to {last} of {total}" if query.offset < total else f"{total} in all"
    before, after = max(query.offset - query.limit, 0), query.offset + query.limit
    return element(
        "nav", {"id": "pages", "aria-label": "Pages"},
        _step("previous", "← Previous", query, before, there=query.offset > 0),
        element("span", {"id": "where"}, where),
        _step("next", "Next →", query, after, there=after < total),
    )  # fmt: skip


def _step(name: str, label: str, query: Query, offset: int, *, there: bool) -> Html:
    """A link to another page of the list; hidden where there is none."""
    parameters = {"q": query.text, "state": query.state or "", "target": query.target}
    asked = {key: str(value) for key, value in parameters.items() if value}
    if query.limit != TARGETS_A_PAGE:
        asked["limit"] = str(query.limit)
    if offset:
        asked["offset"] = str(offset)
    hidden = {} if there else {"hidden": ""}
    return element("a", {"id": name, "href": f"./?{urlencode(asked)}", **hidden}, label)


def _footer(options: Options) -> Html | None:
    return None if options.authenticated else element("footer", {}, element("p", {}, _OPEN))
