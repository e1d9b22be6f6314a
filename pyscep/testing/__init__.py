"""The other side, for tests: a CA that lives as long as the test, and a server on loopback."""

from pyscep.testing.ephemeral_ca import EphemeralCa
from pyscep.testing.faults import Fault
from pyscep.testing.misbehaviour import MisbehavingServer, Misbehaviour
from pyscep.testing.server import ScepServer

__all__ = ["EphemeralCa", "Fault", "MisbehavingServer", "Misbehaviour", "ScepServer"]
