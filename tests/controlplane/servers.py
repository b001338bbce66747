"""The servers' command lines."""

from pathlib import Path

from tests.controlplane.files import Files


def etcd(bin_dir: Path, files: Files) -> list[str]:
    """Keep the data; only the API server's certificate opens it."""
    client = f"https://127.0.0.1:{files.etcd_port}"
    peer = f"https://127.0.0.1:{files.etcd_peer_port}"
    return [
        str(bin_dir / "etcd"),
        f"--data-dir={files.path('etcd')}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        "--client-cert-auth",
        f"--trusted-ca-file={files.path('etcd-ca.crt')}",
        f"--cert-file={files.path('etcd.crt')}",
        f"--key-file={files.path('etcd.key')}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        "--peer-client-cert-auth",
        f"--peer-trusted-ca-file={files.path('etcd-ca.crt')}",
        f"--peer-cert-file={files.path('etcd.crt')}",
        f"--peer-key-file={files.path('etcd.key')}",
        # Nothing here is to survive a power cut.
        "--unsafe-no-fsync",
        "--log-level=warn",
    ]


def apiserver(bin_dir: Path, files: Files) -> list[str]:
    """Serve the API with RBAC, encryption at rest and an audit log."""
    return [
        str(bin_dir / "kube-apiserver"),
        "--bind-address=127.0.0.1",
        f"--secure-port={files.port}",
        # No machine's own address is asked for: it may have none but loopback,
        # which the default reconciler of the service's endpoints refuses.
        "--advertise-address=127.0.0.1",
        "--endpoint-reconciler-type=none",
        f"--etcd-servers=https://127.0.0.1:{files.etcd_port}",
        *_apiserver_keys(files),
        "--authorization-mode=RBAC",
        f"--enable-admission-plugins={','.join(files.plugins)}",
        "--allow-privileged",
        f"--encryption-provider-config={files.path('encryption.yaml')}",
        f"--audit-policy-file={files.path('audit-policy.yaml')}",
        f"--audit-log-path={files.path('audit.log')}",
        # At 100 MiB, the default, it goes on in a new file, and places in it are lost.
        "--audit-log-maxsize=10000",
        "--service-cluster-ip-range=10.0.0.0/24",
        "--profiling=false",
    ]


def _apiserver_keys(files: Files) -> list[str]:
    return [
        f"--etcd-cafile={files.path('etcd-ca.crt')}",
        f"--etcd-certfile={files.path('etcd-client.crt')}",
        f"--etcd-keyfile={files.path('etcd-client.key')}",
        f"--tls-cert-file={files.path('apiserver.crt')}",
        f"--tls-private-key-file={files.path('apiserver.key')}",
        f"--client-ca-file={files.path('ca.crt')}",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={files.path('service-account.pub')}",
        f"--service-account-signing-key-file={files.path('service-account.key')}",
    ]


def controller_manager(bin_dir: Path, files: Files) -> list[str]:
    """Collect garbage, fill namespaces, keep quotas."""
    kubeconfig = files.path("controller-manager.kubeconfig")
    return [
        str(bin_dir / "kube-controller-manager"),
        f"--kubeconfig={kubeconfig}",
        # Its own port serves only health and metrics, which nobody asks for here.
        "--secure-port=0",
        "--leader-elect=false",
        "--controllers=*",
        "--use-service-account-credentials",
        # At the default of 20 requests a second its start takes 5 s longer.
        "--kube-api-qps=1000",
        "--kube-api-burst=1000",
        f"--service-account-private-key-file={files.path('service-account.key')}",
        f"--root-ca-file={files.path('ca.crt')}",
        "--profiling=false",
    ]
