"""Files in a bucket of S3-compatible storage."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

import urllib3
from minio import Minio
from minio.error import MinioException

from appliance.errors import BoxError, WrongUse

_TIMEOUT = urllib3.Timeout(connect=30, read=120)
_RETRIES = urllib3.Retry(total=3, backoff_factor=0.5, status_forcelist=[500, 502, 503, 504])


class Bucket:
    """A folder of a bucket.

    Args:
        where: `s3://host[:port]/bucket[/folder]`, over TLS; `s3+http://…` without.
        keys: A file with the access key on its first line and the secret key on its second.
    """

    def __init__(self, where: str, *, keys: Path) -> None:
        parts = urlsplit(where)
        bucket, _, folder = unquote(parts.path).strip("/").partition("/")
        if not parts.hostname or not bucket or parts.username:
            raise WrongUse(f"{where}: wanted s3://host[:port]/bucket[/folder], without keys")
        self._where, self._bucket = where, bucket
        self._prefix = f"{folder}/" if folder else ""
        access, secret = _keys(keys)
        self._client = Minio(
            parts.netloc,
            access_key=access,
            secret_key=secret,
            secure=parts.scheme == "s3",
            http_client=urllib3.PoolManager(timeout=_TIMEOUT, retries=_RETRIES),
        )
        with self._telling():
            if not self._client.bucket_exists(bucket_name=bucket):
                raise BoxError(f"{where}: there is no bucket {bucket}", hint="make it there first")

    def names(self) -> list[str]:
        """Return the names of all whole files."""
        with self._telling():
            listed = self._client.list_objects(
                bucket_name=self._bucket, prefix=self._prefix, recursive=True
            )
            found = [str(one.object_name) for one in listed if not one.is_dir]
        return sorted(name.removeprefix(self._prefix) for name in found)

    def put(self, name: str, source: Path) -> None:
        """Keep a copy of a file under a name; it appears whole or not at all."""
        with self._telling():
            self._client.fput_object(
                bucket_name=self._bucket, object_name=self._prefix + name, file_path=str(source)
            )

    def get(self, name: str, to: Path) -> None:
        """Copy a file here."""
        with self._telling():
            self._client.fget_object(
                bucket_name=self._bucket, object_name=self._prefix + name, file_path=str(to)
            )

    def delete(self, name: str) -> None:
        """Take a file away."""
        with self._telling():
            self._client.remove_object(bucket_name=self._bucket, object_name=self._prefix + name)

    @contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except (MinioException, urllib3.exceptions.HTTPError, ValueError) as error:
            told = " ".join(str(error).split())[:300]
            raise BoxError(f"{self._where}: {told}", hint="see [backup] in prathu.toml") from error


def _keys(path: Path) -> tuple[str, str]:
    try:
        lines = path.read_text().split()
    except OSError as error:
        hint = "two lines: access key, secret key; see [backup] in prathu.toml"
        raise BoxError(f"{path}: {error.strerror}", hint=hint) from error
    if len(lines) != 2:
        raise BoxError(f"{path} has {len(lines)} words", hint="two lines: access key, secret key")
    return lines[0], lines[1]
