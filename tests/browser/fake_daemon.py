"""Serves the status page with figures of a test's own: what a real daemon takes too long to reach."""

import http.server
import json
import pathlib
import threading
import urllib.parse

PAGE = pathlib.Path(__file__).resolve().parents[2] / "server/status"
MIB = 1 << 20


def page():
    """As the build puts it together."""
    html = (PAGE / "status_page.html").read_text()
    html = html.replace("@STYLE@", (PAGE / "status_page.css").read_text())
    scripts = [(PAGE / name).read_text() for name in ("status_page.js", "status_regions.js")]
    return html.replace("@SCRIPT@", "".join(scripts))


def usage(**changes):
    return {
        "tables": 1, "segments": 1, "live_records": 10, "allocated_bytes": 64 * MIB,
        "live_bytes": 30 * MIB, "damaged_ranges": 0,
        "oldest": {"table": "5", "sequence": "17", "age_seconds": 4000.5}, **changes,
    }


def region(number, state="open", error="", namespace=1, **changes):
    known = usage(**changes) if state in ("open", "failed") else None
    return {"namespace": namespace, "region": str(number), "state": state, "error": error, "usage": known}


def status(**changes):
    """A whole answer, of a daemon that has nothing to do."""
    level = {"used": 0, "limit": 64 * MIB}
    counters = ("append_batches", "append_records", "append_bytes", "refused_batches", "commits",
                "syncs", "read_records", "read_bytes")
    return {
        "format": 1, "version": "0.1.0", "time_unix_millis": 1790000000000, "uptime_seconds": 100.0,
        "ready": True, "not_ready_because": "",
        "start": {"namespaces_to_open": 0, "regions_to_scan": 0, "unconfigured": []}, "counters": dict.fromkeys(counters, 0),
        "append_latency": {"bounds_seconds": [0.001, 0.01, 0.1], "counts": [0, 0, 0, 0]},
        "stream_append_latency": {"bounds_seconds": [0.001, 0.01, 0.1], "counts": [0, 0, 0, 0]},
        "levels": {"mailbox": level, "readers": {**level, "open": 0}, "entries": level,
                   "regions": {"used": 0, "limit": 4096}},
        "disk": {"path": "/var/lib/walden", "free_bytes": 20 << 30, "total_bytes": 100 << 30,
                 "reserve_bytes": 1 << 30, "error": ""},
        "namespaces": [{"id": 1, "name": "default", "engine": "segment", "error": ""}],
        "regions_left_out": 0, "regions": [], "selected": None, "events": [], **changes,
    }


def selected(of, segments=(), tables=(), **changes):
    return {**of, "age_seconds": 0.1, "region_version": "0", "torn_tail_bytes": 0,
            "disk_holder": {"table": "5", "bytes": 3 * MIB}, "tables": list(tables), "tables_left_out": 0,
            "segments": list(segments), "segments_left_out": 0, "damaged": [], "damaged_left_out": 0,
            **changes}


def segment(number, live, used, allocated=MIB, tables=1):
    return {"segment": str(number), "file": f"seg_{number}", "allocated_bytes": allocated,
            "used_bytes": used, "live_bytes": live, "first": str(1000 * number + 1),
            "last": str(1000 * number + 1000), "live_tables": tables}


class FakeDaemon:
    """`answer(query)` makes each answer: a dict, or an HTTP status to fail with."""

    def __init__(self, answer):
        self.answer = answer
        fake = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                parts = urllib.parse.urlsplit(self.path)
                code, kind, body = 404, "text/plain", b"not found"
                if parts.path == "/":
                    code, kind, body = 200, "text/html; charset=utf-8", page().encode()
                elif parts.path == "/status.json":
                    answer = fake.answer(dict(urllib.parse.parse_qsl(parts.query)))
                    code, kind = (200, "application/json") if isinstance(answer, dict) else (answer, "text/plain")
                    body = json.dumps(answer).encode()
                self.send_response(code)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()
