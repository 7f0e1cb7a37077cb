"""An embedded stand-in of the 9Pic service: its API and its object store, on loopback, with nothing to install."""

from ninepic_cli.sandbox.data import StoredPhoto, World
from ninepic_cli.sandbox.fault_plan import faults_from_file, faults_from_json
from ninepic_cli.sandbox.faults import Fault
from ninepic_cli.sandbox.server import log_line
from ninepic_cli.sandbox.service import Sandbox
from ninepic_cli.sandbox.wire import Request

__all__ = ["Fault", "Request", "Sandbox", "StoredPhoto", "World", "faults_from_file", "faults_from_json", "log_line"]
