"""Generates Python stubs from the .proto files alone, and imports them.

A client in any language needs nothing but proto/; this module is the proof. The stubs land in a
folder named for a hash of the .proto files, so that they are made once and are never stale. Several
test processes may do it at the same time.

Environment:
  WALDEN_TEST_PROTO_DIR  folder of the API's .proto files; the repository's proto/ when unset
  WALDEN_TEST_STUBS_DIR  where stubs are kept; a folder below the system's temporary folder when unset
"""

import hashlib
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

# The daemon is started while gRPC threads run; gRPC's fork handlers are neither needed nor wanted.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")

import grpc

HERE = pathlib.Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
PROTO_DIR = pathlib.Path(os.environ.get("WALDEN_TEST_PROTO_DIR", REPOSITORY / "proto"))


def _proto_files():
    return [path.relative_to(PROTO_DIR) for path in sorted(PROTO_DIR.rglob("*.proto"))]


def _stubs_root():
    configured = os.environ.get("WALDEN_TEST_STUBS_DIR")
    if configured:
        return pathlib.Path(configured)
    return pathlib.Path(tempfile.gettempdir()) / f"walden-python-stubs-{os.getuid()}"


def _generate(files, out):
    plugin = shutil.which("grpc_python_plugin")
    if plugin is None:
        raise RuntimeError("grpc_python_plugin not found; Debian: protobuf-compiler-grpc")
    subprocess.run(
        [
            "protoc",
            f"-I{PROTO_DIR}",
            f"--python_out={out}",
            f"--grpc_out={out}",
            f"--plugin=protoc-gen-grpc={plugin}",
            *map(str, files),
        ],
        check=True,
    )


def stubs_folder():
    """The folder with the generated modules; generates them if they are not there."""
    files = _proto_files()
    digest = hashlib.sha256()
    for name in files:
        digest.update(str(name).encode())
        digest.update((PROTO_DIR / name).read_bytes())
    root = _stubs_root()
    folder = root / digest.hexdigest()[:16]
    if folder.is_dir():
        return folder
    root.mkdir(parents=True, exist_ok=True)
    fresh = pathlib.Path(tempfile.mkdtemp(dir=root))
    _generate(files, fresh)
    try:
        fresh.rename(folder)
    except OSError:  # another process was quicker
        shutil.rmtree(fresh)
    return folder


sys.path.insert(0, str(stubs_folder()))
# The package grpc is grpcio's. Python's own packages of these services are grpc_health and
# grpc_reflection, which Debian does not ship.
grpc.__path__.append(str(stubs_folder() / "grpc"))

# Only importable now that the stubs exist.
from google.protobuf import descriptor_pb2
from google.rpc import error_details_pb2, status_pb2
from grpc.health.v1 import health_pb2, health_pb2_grpc
from grpc.reflection.v1 import reflection_pb2, reflection_pb2_grpc
from grpc.reflection.v1alpha import reflection_pb2 as reflection_v1alpha_pb2
from grpc.reflection.v1alpha import reflection_pb2_grpc as reflection_v1alpha_pb2_grpc
from walden.v1 import admin_pb2, admin_pb2_grpc, common_pb2, entry_pb2, entry_pb2_grpc, wal_pb2
from walden.v1 import wal_pb2_grpc
