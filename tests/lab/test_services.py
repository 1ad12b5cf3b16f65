"""What a client of a Service sees while its store has no primary."""

from __future__ import annotations

import json

from tests.lab.cluster import Cluster, wait_for
from tests.lab.stores.base import toolbox_image

NAME = "test-nobody"
NAMESPACE = "default"  # no policy of the platform is there: what refuses is kube-proxy
ATTEMPTS = 40
# How many connections were refused, and how many segments were sent again meanwhile: each is a second for its client.
PROGRAM = f"""
import socket, time
def sent_again():
    names, values = [line.split() for line in open("/proc/net/snmp") if line.startswith("Tcp:")]
    return int(values[names.index("RetransSegs")])
before, refused = sent_again(), 0
for _ in range({ATTEMPTS}):
    try:
        socket.create_connection(("{{address}}", 3306), 10).close()
    except ConnectionRefusedError:
        refused += 1
    time.sleep(0.05)  # as often as the drill's clients
print(refused, sent_again() - before)
"""


def test_a_service_without_endpoints_refuses_each_client_at_once(cluster: Cluster) -> None:
    metadata = {"name": NAME, "namespace": NAMESPACE}
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata,
        "spec": {"selector": {"role": NAME}, "ports": [{"port": 3306}]},
    }
    cluster.kubectl("apply", "-f", "-", stdin=json.dumps(service))
    try:
        address = cluster.get("service", NAME, "-n", NAMESPACE)["spec"]["clusterIP"]
        container = {
            "name": "client",
            "image": toolbox_image(),
            "command": ["python3", "-c", PROGRAM.format(address=address)],
        }
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": metadata,
            "spec": {"restartPolicy": "Never", "automountServiceAccountToken": False, "containers": [container]},
        }
        cluster.kubectl("apply", "-f", "-", stdin=json.dumps(pod))

        def ended() -> bool:
            return cluster.get("pod", NAME, "-n", NAMESPACE)["status"]["phase"] in ("Succeeded", "Failed")

        wait_for("the client's end", ended, seconds=300)
        refused, sent_again = cluster.kubectl("logs", NAME, "-n", NAMESPACE).split()
    finally:
        cluster.kubectl("delete", "pod,service", NAME, "-n", NAMESPACE, "--ignore-not-found", "--wait=false")
    assert (int(refused), int(sent_again)) == (ATTEMPTS, 0)
