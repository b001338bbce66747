"""Every call to an external vault: to checked addresses only, bounded, and silent."""

from vaultferry.outbound import agent
from vaultferry.outbound.calls import Answer, Outbound, Stream
from vaultferry.outbound.unreachable import Detail, Unreachable

__all__ = ["Answer", "Detail", "Outbound", "Stream", "Unreachable", "agent"]
