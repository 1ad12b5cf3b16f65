"""A bucket of a store that speaks S3: files are listed and read, and each way to fail is told as it should be."""

from __future__ import annotations

import configparser
import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from xml.etree.ElementTree import ParseError

import urllib3
from minio import Minio
from minio.error import InvalidResponseError, MinioException, S3Error, ServerError

from bootstrap.errors import Problem

AMAZON = "https://s3.amazonaws.com"
_LOGIN = ("InvalidAccessKeyId", "SignatureDoesNotMatch", "AccessDenied", "InvalidToken", "ExpiredToken")


class Unreachable(Problem):
    """The store does not answer, from here and now."""


@dataclass(frozen=True)
class Login:
    """What an AWS credentials file holds."""

    key: str
    secret: str
    token: str


@dataclass(frozen=True)
class Place:
    """Where a bucket is; no `url` is Amazon's store, `authority` (PEM) vouches for a store that nobody else does."""

    url: str
    bucket: str
    region: str
    authority: str


def read_login(file: Path) -> Login:
    """The section `default` of an AWS credentials file. Raises Problem where it is none; no secret is in its text."""
    what = "an AWS credentials file: [default], aws_access_key_id=…, aws_secret_access_key=…"
    parser = configparser.ConfigParser(interpolation=None, default_section="")
    try:
        parser.read_string(file.read_text(encoding="utf-8"))
        found = parser["default"]
        key, secret = found["aws_access_key_id"], found["aws_secret_access_key"]
    except OSError as error:
        raise Problem(
            f"the object store's login {file} cannot be read: {error.strerror} (backups.credentials)", f"write {what}"
        ) from error
    except KeyError as error:
        raise Problem(
            f"the object store's login {file} has no {error.args[0]} (backups.credentials)", f"it has to be {what}"
        ) from None
    except (configparser.Error, ValueError):
        raise Problem(
            f"the object store's login {file} is no ini file (backups.credentials)", f"it has to be {what}"
        ) from None
    if not key or not secret:
        empty = "aws_secret_access_key" if key else "aws_access_key_id"
        raise Problem(
            f"the object store's login {file}: {empty} is empty (backups.credentials)", f"it has to be {what}"
        )
    return Login(key, secret, found.get("aws_session_token", ""))


class Bucket:
    """Reads a bucket with the login in the file `credentials`. Every method raises Problem, or Unreachable."""

    def __init__(self, place: Place, credentials: Path, timeout: float) -> None:
        self._place, self._credentials = place, credentials
        self._address = place.url or AMAZON
        url, login = urlsplit(self._address), read_login(credentials)
        self._client = Minio(
            url.netloc,
            login.key,
            login.secret,
            login.token or None,
            secure=url.scheme == "https",
            region=place.region,
            http_client=urllib3.PoolManager(
                timeout=urllib3.Timeout(connect=timeout, read=timeout * 3),
                retries=urllib3.Retry(1, redirect=0, status=0),
                ssl_context=_tls(place),
            ),
        )

    @property
    def where(self) -> str:
        """Address and bucket, as people are told them."""
        return f"{self._address}/{self._place.bucket}"

    def folders(self, prefix: str) -> list[str]:
        """Names of the folders at `prefix`, which ends with a slash or is empty."""
        with self._told():
            listed = self._client.list_objects(self._place.bucket, prefix=prefix)
            names = [str(found.object_name) for found in listed if found.is_dir]
        return [name.removeprefix(prefix).rstrip("/") for name in names if name != prefix]

    def read(self, key: str) -> bytes | None:
        """The content of a file; None where there is none."""
        try:
            with self._told():
                answer = self._client.get_object(self._place.bucket, key)
                try:
                    return bytes(answer.read())
                finally:
                    answer.close()
                    answer.release_conn()
        except _NoSuchKey:
            return None

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Every way in which a store fails, told as it should be."""
        try:
            yield
        except (S3Error, InvalidResponseError) as error:
            code, message = _reason(error)
            if code == "NoSuchKey":
                raise _NoSuchKey from error
            raise self._refusal(code, message) from error
        except (ParseError, UnicodeDecodeError) as error:
            raise self._refusal("", "") from error
        except (ServerError, urllib3.exceptions.HTTPError, MinioException, OSError) as error:
            reason = getattr(error, "reason", None) or error
            raise Unreachable(
                f"the object store {self._address} does not answer: {reason}",
                "see that it runs and that this computer reaches it (velero.objectStore.url)",
            ) from error

    def _refusal(self, code: str, message: str) -> Problem:
        address, bucket = self._address, self._place.bucket
        if not code:
            return Unreachable(
                f"{address} answers, but not as an S3 store does", "see that velero.objectStore.url is the store's own"
            )
        if code == "NoSuchBucket":
            return Problem(
                f"the object store {address} has no bucket {bucket}",
                "make it there, or name another as velero.objectStore.bucket",
            )
        if code in _LOGIN:
            return Problem(
                f"the object store {address} refuses the login of {self._credentials} for bucket {bucket}:"
                f" {message} ({code})",
                "see that backups.credentials holds the store's keys, and that they may read this bucket",
            )
        return Problem(
            f"the object store {address} refused to read bucket {bucket}: {message} ({code})",
            "mend what it names; with RequestTimeTooSkewed: set this computer's clock",
        )


def _reason(error: MinioException) -> tuple[str, str]:
    """S3's code and message; nothing where the answer is none of S3.

    The client takes an error for one of S3 only as application/xml; some stores, rclone's for one, say text/xml.
    """
    if isinstance(error, S3Error):
        return str(error.code), str(error.message)
    found = [re.search(f"<{tag}>(.*?)</{tag}>", str(error), re.DOTALL) for tag in ("Code", "Message")]
    code, message = (match[1] if match else "" for match in found)
    return code, message


def _tls(place: Place) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cadata=place.authority or None)
    except (ssl.SSLError, ValueError) as error:
        raise Problem(
            f"velero.objectStore.caCert cannot be read: {error}", "give the CA's certificate as PEM, whole"
        ) from error


class _NoSuchKey(Exception):
    """There is no such file."""
