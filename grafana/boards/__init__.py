"""The boards, and where they are kept."""

from pathlib import Path

from grafana.boards import battery, energy, gateways, inverters, plant

BOARDS = (plant.BOARD, energy.BOARD, inverters.BOARD, battery.BOARD, gateways.BOARD)
DASHBOARDS = Path(__file__).parent.parent / "dashboards"


def texts() -> dict[str, str]:
    """Every board by the name of its file."""
    return {f"{board.uid}.json": board.text() for board in BOARDS}
