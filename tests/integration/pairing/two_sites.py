"""An OMA (oma-api and the gateway) and a VMA (the tunnel's client before an API of canned answers), each in a folder."""

import http.server
import json
import os
import signal
import socket
import subprocess
import threading
import time

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))
PROGRAMS = os.path.join(os.environ.get("MK_BUILD_DIR", os.path.join(ROOT, "build", "dev")), "bin")
LIMIT = 30
NEEDED = ("oma-api", "migratekit", "migratekit-tunnel")


def program(name):
    return os.path.join(PROGRAMS, name)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def eventually(what, condition):
    """The first true answer of `condition`; fails after LIMIT seconds."""
    deadline = time.monotonic() + LIMIT
    while time.monotonic() < deadline:
        if answer := condition():
            return answer
        time.sleep(0.1)
    raise AssertionError(f"{what}: not within {LIMIT} s")


class VmaApi:
    """What vma-api answers to those that have its token, and what it was asked."""

    def __init__(self, token):
        self.requests = []
        api = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def answer(self):
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length)) if length else None
                allowed = self.headers.get("Authorization") == "Bearer " + token
                api.requests.append((self.command, self.path, body, allowed))
                text = json.dumps({"status": "ok", "version": "0.0.7"}).encode()
                self.send_response(200 if allowed else 401)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_POST = do_PUT = do_DELETE = answer

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


class Sites:
    def __init__(self, folder):
        self.folder = folder
        self.processes = []
        self.gateway_port, self.oma_port = free_port(), free_port()
        self.secret("volumes.token", "unused")
        self.write("gateway.toml", f"""
            listen = "127.0.0.1:{self.gateway_port}"
            folder = "{folder}/oma-tunnel"
            name = "oma-1"
            hand_off_socket = "{folder}/hand-off.sock"
            control_folder = "{folder}/control"
            """)
        self.write("oma.toml", f"""
            listen = "127.0.0.1:{self.oma_port}"
            state_folder = "{folder}/state"
            database = "sqlite:{folder}/oma.db"
            migrations = "{ROOT}/migrations"
            key_file = "{folder}/key"
            token_file = "{folder}/token"
            [tunnel]
            folder = "{folder}/oma-tunnel"
            control_folder = "{folder}/control"
            [volumes]
            url = "http://127.0.0.1:1"
            token_file = "{folder}/volumes.token"
            """)
        self.run("migratekit-tunnel", "gateway", "--config", str(folder / "gateway.toml"))
        self.run("oma-api", "--config", str(folder / "oma.toml"))
        eventually("the OMA answers", lambda: self.cli("appliance", "list").returncode == 0)

    def write(self, name, text):
        (self.folder / name).write_text(text)

    def secret(self, name, text):
        (self.folder / name).write_text(text + "\n")
        os.chmod(self.folder / name, 0o600)

    def run(self, name, *arguments):
        log = open(self.folder / f"{name}-{len(self.processes)}.log", "wb")
        process = subprocess.Popen([program(name), *arguments], stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        log.close()
        self.processes.append(process)
        return process

    def end(self, process):
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.wait(LIMIT)

    def environment(self):
        token = self.folder / "token"
        return {"PATH": os.environ["PATH"], "HOME": str(self.folder), "MIGRATEKIT_URL": f"http://127.0.0.1:{self.oma_port}",
                "MIGRATEKIT_TOKEN": token.read_text().strip() if token.exists() else "none"}

    def cli(self, *arguments):
        return subprocess.run([program("migratekit"), *arguments], env=self.environment(), stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=LIMIT, check=False)

    def ask(self, *arguments):
        result = self.cli(*arguments, "-o", "json")
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout)

    def start_cli(self, *arguments):
        process = subprocess.Popen([program("migratekit"), *arguments], env=self.environment(), stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.processes.append(process)
        return process

    def add_vma(self, name, api):
        """Writes a VMA's configuration; it is neither paired nor running."""
        self.secret(f"{name}.token", f"token-of-{name}")
        self.write(f"{name}.toml", f"""
            folder = "{self.folder}/{name}-tunnel"
            appliance_id = "{name}-id"
            name = "{name}"
            vma_api = "127.0.0.1:{api.server.server_port}"
            vma_token_file = "{self.folder}/{name}.token"
            """)

    def type_code(self, name, code):
        """What a person does at the VMA."""
        return subprocess.run([program("migratekit-tunnel"), "pair", "--config", str(self.folder / f"{name}.toml"), "--gateway",
                               f"127.0.0.1:{self.gateway_port}"], input=code + "\n", capture_output=True, text=True, timeout=LIMIT, check=False)

    def run_vma(self, name):
        return self.run("migratekit-tunnel", "client", "--config", str(self.folder / f"{name}.toml"))

    def pair(self, name):
        code = self.ask("appliance", "pair", "--no-wait")["code"]
        typed = self.type_code(name, code)
        assert typed.returncode == 0, typed.stderr
        return typed.stdout
