"""A TUF client: refreshes from a trusted root over HTTP and downloads targets.

usage: tuf_client.py URL ROOT STATE [TARGET...]

URL is the store's, STATE is the client's own directory. Prints the digests of the targets as JSON;
ends with 3 and the exception's name if python-tuf refuses.
"""

import hashlib
import json
import pathlib
import sys

from tuf.api.exceptions import DownloadError, RepositoryError
from tuf.ngclient import Updater


class Absent(RepositoryError):
    """No role lists the target."""


def client(url, root, state, targets):
    for name in ("metadata", "targets"):
        (state / name).mkdir(parents=True, exist_ok=True)
    updater = Updater(
        metadata_dir=str(state / "metadata"),
        metadata_base_url=f"{url}/metadata/",
        target_dir=str(state / "targets"),
        target_base_url=f"{url}/targets/",
        bootstrap=root.read_bytes(),
    )
    updater.refresh()
    seen = {}
    for name in targets:
        info = updater.get_targetinfo(name)
        if info is None:
            raise Absent(name)
        path = pathlib.Path(updater.download_target(info))
        seen[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return seen


def main():
    url, root, state, *targets = sys.argv[1:]
    try:
        seen = client(url, pathlib.Path(root), pathlib.Path(state), targets)
    except (RepositoryError, DownloadError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        sys.exit(3)
    print(json.dumps(seen))


main()
