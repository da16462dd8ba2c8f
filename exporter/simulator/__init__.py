"""A simulated WiNet gateway for demonstrations and tests.

It imports nothing from the rest of the exporter: a codec used on both ends could not show that both are
wrong.
"""

from exporter.simulator.certificate import prepare_certificates
from exporter.simulator.faults import KINDS, Fault, parse_fault
from exporter.simulator.gateway import SimulatedGateway
from exporter.simulator.journal import Counts, Event
from exporter.simulator.plant import Plant, accelerated
from exporter.simulator.profile import Profile, load_profile, profile_names
from exporter.simulator.replay import load_recording

__all__ = [
    "KINDS",
    "Counts",
    "Event",
    "Fault",
    "Plant",
    "Profile",
    "SimulatedGateway",
    "accelerated",
    "load_profile",
    "load_recording",
    "parse_fault",
    "prepare_certificates",
    "profile_names",
]
