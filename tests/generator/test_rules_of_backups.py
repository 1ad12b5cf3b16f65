"""Rules between the keys of the backups: what is found, and what to do."""

from __future__ import annotations

from collections.abc import Callable

import pytest

Findings = Callable[[str | bytes], list[str]]

WITHOUT = "custos: {withoutStores: [smtp, cilogon]}\n"
PEM = '"-----BEGIN CERTIFICATE-----\\nMIIB\\n-----END CERTIFICATE-----\\n"'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("velero: {objectStore: {caCert: " + PEM + "}, namespace: kube-system}", [], id="no backups"),
        pytest.param(
            "velero: {enabled: true, objectStore: {bucket: b-1}}", [], id="Amazon's store, whose region has a default"
        ),
        pytest.param(
            "velero: {enabled: true, objectStore: {bucket: b-1, url: 'https://s3.example.org:9000', caCert: "
            + PEM
            + "}}",
            [],
            id="another's store with a CA of its own",
        ),
        pytest.param(
            "velero: {enabled: true, objectStore: {bucket: b-1, url: 'http://[fd00::41]:9000'}}",
            [],
            id="a store by its IPv6 address",
        ),
        pytest.param(
            "velero: {enabled: true}",
            [
                "values.yaml:2: velero.objectStore.bucket: is empty, and backups need a place; "
                'found ""; allowed: the name of a bucket that is there; mend: name it, and velero.objectStore.url '
                "where the store is not Amazon's; or set velero.enabled to false"
            ],
            id="no place",
        ),
        pytest.param(
            "velero: {enabled: true, namespace: kube-system, objectStore: {bucket: b-1}}",
            [
                "values.yaml:2: velero.namespace: is not free: the chart makes this namespace, opens it to privileged "
                'pods and closes its network; found "kube-system"; '
                "allowed: a namespace for Velero alone, and not the release's own; mend: leave it out"
            ],
            id="Kubernetes' own namespace",
        ),
        pytest.param(
            "velero: {enabled: true, objectStore: {bucket: b-1, url: 'http://s3', caCert: " + PEM + "}}",
            [
                "values.yaml:2: velero.objectStore.caCert: has no use: the object store is spoken to without TLS; "
                "mend: leave it out, or begin velero.objectStore.url with https://"
            ],
            id="a CA without TLS",
        ),
        pytest.param(
            "velero: {enabled: true, objectStore: {bucket: b-1, caCert: " + PEM + "}}",
            [
                "values.yaml:2: velero.objectStore.caCert: has no use: the object store is Amazon's, "
                "which has a public one; mend: leave it out"
            ],
            id="a CA for Amazon",
        ),
        pytest.param(
            "global: {restoring: true}",
            [
                "values.yaml:2: global.restoring: is set, but there is no Velero to bring a backup back "
                "(velero.enabled is false); found true; "
                "mend: leave it out; bootstrap restore sets it where it is needed"
            ],
            id="a restore of nothing",
        ),
        pytest.param(
            "velero: {enabled: true, objectStore: {bucket: b-1}, nodeAgent: {resources: {requests: {memory: 2Gi}}}}",
            [
                "values.yaml:2: velero.nodeAgent.resources.requests.memory: requests more than the limit; "
                'found "2Gi"; allowed: at most 1Gi, which is velero.nodeAgent.resources.limits.memory; '
                "mend: lower the request or raise the limit"
            ],
            id="an agent that asks for more than it may use",
        ),
    ],
)
def test_findings(findings_of: Findings, text: str, expected: list[str]) -> None:
    assert findings_of(WITHOUT + text) == expected
