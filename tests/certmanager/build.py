"""What the tests need of cert-manager: its controllers and injector, and its CRDs."""

from pathlib import Path

from tests import toolbox

HERE = Path(__file__).parent
MODULE = "github.com/cert-manager/cert-manager"


def program() -> Path:
    """Return the program that runs controllers and injector, built once."""
    return toolbox.binary("certmanager", HERE, ("go.mod", "go.sum", "main.go"))


def crds() -> Path:
    """Return the folder with its CRDs."""
    return toolbox.source(HERE, MODULE) / "deploy" / "crds"
