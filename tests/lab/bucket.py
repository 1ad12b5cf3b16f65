"""The lab's bucket of backups, written to as Velero does it, to see what becomes of a backup that is damaged."""

from __future__ import annotations

import io
from urllib.parse import urlsplit

from minio import Minio

from bootstrap import velero
from bootstrap.clients.s3 import read_login
from bootstrap.inventory import Inventory


def copy_damaged(inventory: Inventory, prefix: str) -> int:
    """Copy all that is in the bucket below `prefix`, with one flipped bit in each of kopia's packs; returns those."""
    client, bucket = _bucket(inventory)
    packs = 0
    for found in list(client.list_objects(bucket, recursive=True)):
        name = str(found.object_name)
        if name.startswith(f"{prefix}/"):
            continue
        answer = client.get_object(bucket, name)
        data = bytearray(answer.read())
        answer.close()
        if name.startswith("kopia/") and name.rpartition("/")[2].startswith("p"):
            data[len(data) // 2] ^= 1
            packs += 1
        client.put_object(bucket, f"{prefix}/{name}", io.BytesIO(bytes(data)), len(data))
    return packs


def remove(inventory: Inventory, prefix: str) -> None:
    """Take away all that lies below `prefix`."""
    client, bucket = _bucket(inventory)
    for found in list(client.list_objects(bucket, f"{prefix}/", recursive=True)):
        client.remove_object(bucket, str(found.object_name))


def _bucket(inventory: Inventory) -> tuple[Minio, str]:
    assert inventory.backups
    login, settings = read_login(inventory.backups.credentials), velero.settings(inventory)
    address = urlsplit(settings.url)
    client = Minio(address.netloc, login.key, login.secret, secure=address.scheme == "https", region=settings.region)
    return client, settings.bucket
