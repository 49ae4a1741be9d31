"""A TUF client: refreshes from a trusted root over HTTP on this machine and downloads targets.

usage: tuf_client.py STORE ROOT STATE [TARGET...]

STORE is served on 127.0.0.1 while this runs, STATE is the client's own directory. Prints what it
saw as JSON; ends with 3 and the exception's name if python-tuf refuses.
"""

import functools
import hashlib
import http.server
import json
import pathlib
import sys
import threading

from tuf.api.exceptions import DownloadHTTPError, RepositoryError
from tuf.ngclient import Updater


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def client(base, root, state, targets):
    for name in ("metadata", "targets"):
        (state / name).mkdir(parents=True, exist_ok=True)
    updater = Updater(
        metadata_dir=str(state / "metadata"),
        metadata_base_url=f"{base}/metadata/",
        target_dir=str(state / "targets"),
        target_base_url=f"{base}/targets/",
        bootstrap=root.read_bytes(),
    )
    updater.refresh()
    seen = {}
    for name in targets:
        info = updater.get_targetinfo(name)
        if info is None:
            seen[name] = None
            continue
        path = pathlib.Path(updater.download_target(info))
        seen[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    versions = {}
    for path in (state / "metadata").glob("*.json"):
        signed = json.loads(path.read_bytes())["signed"]
        versions[path.name.removesuffix(".json")] = signed["version"]
    return {"targets": seen, "versions": versions}


def main():
    store, root, state, *targets = sys.argv[1:]
    handler = functools.partial(Quiet, directory=store)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    base = f"http://127.0.0.1:{server.server_port}"
    try:
        seen = client(base, pathlib.Path(root), pathlib.Path(state), targets)
    except (RepositoryError, DownloadHTTPError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        sys.exit(3)
    finally:
        server.shutdown()
    print(json.dumps(seen))


main()
