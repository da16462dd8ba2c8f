"""Write every board to `grafana/dashboards/`; one that is no longer made goes."""

from grafana.boards import DASHBOARDS, texts


def main() -> None:
    made = texts()
    for path in DASHBOARDS.glob("*.json"):
        if path.name not in made:
            path.unlink()
    for name, text in made.items():
        (DASHBOARDS / name).write_text(text, "utf-8")


if __name__ == "__main__":
    main()
