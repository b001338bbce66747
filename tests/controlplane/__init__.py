"""A real control plane as local processes: etcd, kube-apiserver, controllers."""

from tests.controlplane.errors import ControlPlaneError
from tests.controlplane.plane import ControlPlane
from tests.controlplane.start import existing, start

__all__ = ["ControlPlane", "ControlPlaneError", "existing", "start"]
