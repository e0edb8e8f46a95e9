"""An OMA of canned answers: the shapes of api/oma.yaml, jobs that move on each time they are looked at, and a record of every request."""

import copy
import http.server
import json
import threading
import urllib.parse

TOKEN = "correct-token"
TITLES = ["Check that it can fail over", "Detach the volumes", "Add VirtIO drivers"]


def step(order, title, status, detail=None, error=None, name="step", no_return=False):
    began = "2026-01-01T10:00:00.000Z" if status != "pending" else None
    ended = "2026-01-01T10:02:34.000Z" if status not in ("pending", "running") else None
    return {"order": order, "name": name, "title": title, "weight": 1, "point_of_no_return": no_return, "status": status, "detail": detail, "error": error,
            "started_at": began, "completed_at": ended}


def job(job_id, status, steps, kind="test-failover", machine="app-01", replication=None, error=None, percent=0):
    ended = status not in ("pending", "running")
    return {"job_id": job_id, "type": kind, "operation": "sync" if kind == "migration" else kind, "context_id": "ctx-1",
            "owner": "tester", "status": status, "percent": percent, "cancel_requested": False, "error": error,
            "created_at": "2026-01-01T10:00:00.000Z", "started_at": "2026-01-01T10:00:00.000Z",
            "completed_at": "2026-01-01T10:04:12.000Z" if ended else None, "steps": steps, "machine": machine,
            "replication": replication, "failover": None}


def sync_job(job_id, done, status="running"):
    """A sync of 100 MiB, `done` MiB of which are handled."""
    copying = "running" if status == "running" else "completed"
    return job(job_id, status, [step(1, "Check the source machine", "completed"), step(2, "Copy changed data", copying, "Copying", name="copy")],
               "migration", percent=done,
               replication={"replication_type": "initial", "status": "replicating", "current_operation": "Copying",
                            "vma_sync_type": "initial", "vma_eta_seconds": 200, "bytes_total": 100 << 20, "bytes_done": done << 20,
                            "bytes_sent": done << 20, "bytes_zeroed": 0, "bytes_wire": done << 19, "bytes_per_second": 10 << 20,
                            "bottleneck": None, "attempt": 1,
                            "heartbeat_at": "2026-01-01T10:00:00.000Z",
                            "disks": [{"disk_id": "disk-2000", "bytes_total": 60 << 20, "bytes_done": 30 << 20},
                                      {"disk_id": "disk-2001", "bytes_total": 40 << 20, "bytes_done": 0}]})


def verification_job(job_id, ranges, status="completed"):
    """A comparison of one disk of 1 GiB; `ranges` are where it differs."""
    verification = {"verdict": "differs" if ranges else "identical", "percent": 100, "snapshot_time": "2026-01-01T10:00:00.000Z",
                    "compared": 1 << 30, "different": sum(length for _, length in ranges),
                    "disks": [{"disk_id": "disk-2000", "compared": 1 << 30, "different": sum(length for _, length in ranges),
                               "ranges": [{"offset": offset, "length": length} for offset, length in ranges], "ranges_left_out": 0}]}
    done = job(job_id, status, [step(1, "Compare with the source", "completed", name="compare")], "verification",
               replication={**sync_job(job_id, 0)["replication"], "replication_type": "verification"})
    return {**done, "operation": "verify", "recovery_point": None, "verification": verification}


def machine(name, context_id, status="ready_for_failover", label="Ready", **more):
    shown = {"context_id": context_id, "name": name, "path": "/DC0/vm/" + name, "status": status, "status_label": label,
             "status_since": "2026-01-01T10:00:00.000Z", "status_reason": None, "next_step": "Test failover",
             "current_job_id": None, "flags": ["never_tested"], "boot_disk_id": "disk-2000",
             "last_sync": "2026-01-01T10:00:00.000Z", "last_test": None, "last_test_verdict": None,
             "verified_at": None, "verified_verdict": None, "verified_percent": None, "compare_reason": None,
             "disks": [{"disk_id": "disk-2000", "label": "Hard disk 1", "capacity": 1 << 30, "is_boot": True, "volume_id": None,
                        "bytes_total": 0, "bytes_done": 0}],
             "source": {"name": name, "used": 512 << 20, "findings": []}, "created_at": "2026-01-01T10:00:00.000Z",
             "job": None, "failover": None}
    shown.update(more)
    return shown


def failover(job_id="job-f", **more):
    """A test failover as it is shown with its machine."""
    shown = {"job_id": job_id, "context_id": "ctx-1", "job_type": "test", "on_clones": False, "status": "completed",
             "recovery_point_id": "rp-1", "accept_unverified": False, "destination_vm_id": "vm-1", "destination_vm_name": "app-01-test-1",
             "nics": [{"network_id": "n-1", "mac": None, "address": "10.1.1.7"}], "test_duration_s": 14400, "auto_cleanup": True,
             "rollback_on_failure": False, "rollback_at": "2026-01-01T14:00:00.000Z", "probes": ["http:8080/", "ping"], "expect": None,
             "boot_verdict": "booted", "boot_evidence": "HTTP 200", "boot_observations": [], "verdict": None, "verdict_note": None,
             "created_at": "2026-01-01T10:00:00.000Z", "completed_at": None}
    shown.update(more)
    return shown


class Problem(Exception):
    def __init__(self, status, code, detail, remedy="", consequence="Nothing was changed."):
        super().__init__(detail)
        self.status = status
        self.document = {"type": "urn:migratekit:error:" + code, "title": code, "status": status, "detail": detail, "code": code,
                         "consequence": consequence, "remedy": remedy, "retry_safe": True, "request_id": "r-1"}


class FakeOma:
    def __init__(self):
        self.requests = []   # (method, path with query, body)
        self.jobs = {}       # id -> answers, each given once, the last for ever
        self.looked_at = threading.Event()  # a job was asked for
        self.machines = {"app-01": machine("app-01", "ctx-1"), "erp-02": machine("erp-02", "ctx-2", "cleanup_required", "Cleanup required")}
        self.answers = {}    # (method, path) -> document, Problem, or a list of such, each given once
        self.events = []
        oma = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def answer(self):
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length)) if length else None
                oma.requests.append((self.command, self.path, body))
                try:
                    if self.headers.get("Authorization") != "Bearer " + TOKEN:
                        raise Problem(401, "unauthenticated", "the token is unknown")
                    status, kind, document = 200, "application/json", oma.route(self.command, self.path, body)
                except Problem as problem:
                    status, kind, document = problem.status, "application/problem+json", problem.document
                text = json.dumps(document).encode()
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    def route(self, method, target, body):
        path, _, query = target.partition("?")
        path = urllib.parse.unquote(path)
        if (method, path) in self.answers:
            answer = self.answers[(method, path)]
            if isinstance(answer, list):
                answer = answer.pop(0) if len(answer) > 1 else answer[0]
            if isinstance(answer, Problem):
                raise answer
            return copy.deepcopy(answer)
        if (method, path) == ("GET", "/api/v1/status"):
            return {"version": "0.1.0", "peers": [{"name": "VMA", "address": "http://vma", "reachable": True, "version": "0.1.0", "problem": None}]}
        if (method, path) == ("GET", "/api/v1/vms"):
            return {"vms": list(self.machines.values())}
        if (method, path) == ("GET", "/api/v1/jobs"):
            return {"jobs": [answers[0] for answers in self.jobs.values()]}
        if (method, path) == ("POST", "/api/v1/failover/check"):
            return {"passed": True, "checks": [], "network_ids": [], "nics": [], "forecast": {"likely_s": 240, "at_most_s": 600, "parts": []}}
        if path.startswith("/api/v1/vms/"):
            return self.machine(method, path[len("/api/v1/vms/"):], query)
        if path.startswith("/api/v1/jobs/"):
            return self.job(method, path[len("/api/v1/jobs/"):], query)
        raise Problem(404, "not_found", "there is no " + path)

    def machine(self, method, rest, query):
        name = rest.split("/")[0]
        found = [m for m in self.machines.values() if name in (m["name"], m["context_id"])]
        if not found:
            raise Problem(404, "not_found", f"there is no managed machine '{name}'", "List them: migratekit vm list")
        if method == "DELETE":
            return {"context_id": found[0]["context_id"], "volumes_kept": "keep_volumes=true" in query}
        if rest.endswith(("/sync", "/verify")):
            return {"job_id": "job-" + found[0]["name"], "context_id": found[0]["context_id"]}
        return found[0]

    def job(self, method, rest, query):
        name, _, verb = rest.partition("/")
        if name not in self.jobs:
            raise Problem(404, "not_found", "there is no job " + name)
        if verb == "logs":
            after = urllib.parse.parse_qs(query).get("after", [""])[0]
            return {"job_id": name, "events": [event for event in self.events if event["id"] > after]}
        if verb == "cancel":
            return {"job_id": name}
        self.looked_at.set()
        answers = self.jobs[name]
        return answers.pop(0) if len(answers) > 1 else answers[0]
