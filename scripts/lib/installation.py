"""One whole installation on this machine: the lab, the services of both sites and the command line, in one state directory.

The demo and the end-to-end tests use it. The services are configured as on real appliances: addresses, token files,
folders, a tunnel between the two appliances. What is the lab's in their configuration is what differs between sites: URLs and the folder of device links.
"""

import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Name -> program and arguments, in the order of starting. The last two are the ends of the tunnel.
SERVICES = {"vma-api": ("vma-api",), "volume-daemon": ("volume-daemon",), "oma-api": ("oma-api",),
            "tunnel-gateway": ("migratekit-tunnel", "gateway"), "tunnel-client": ("migratekit-tunnel", "client")}
HTTP_SERVICES = ("vma-api", "volume-daemon", "oma-api")


class SiteError(Exception):
    """Something of the installation did not come up or answer."""


class CommandFailed(Exception):
    """A command of the CLI ended with another exit code than 0."""

    def __init__(self, arguments, completed):
        self.code = completed.returncode
        self.stdout = completed.stdout
        self.stderr = completed.stderr
        super().__init__(f"migratekit {' '.join(arguments)} ended with {self.code}:\n{completed.stdout}{completed.stderr}")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(what, condition, limit, interval=0.2):
    """Calls `condition` until it returns something true; raises SiteError after `limit` seconds."""
    deadline = time.monotonic() + limit
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise SiteError(f"{what}: not within {limit} s")
        time.sleep(interval)


class Site:
    def __init__(self, state, guests=True, inventory=None, tools=None):
        """`inventory`: another content of the lab's vCenter; `tools`: a folder of programs that go before the installed ones."""
        self.state = Path(state).resolve()
        self.inventory = inventory
        self.tools = tools
        self.programs = Path(os.environ.get("MK_PROGRAMS") or ROOT / "build/release/bin")
        self.guests = guests
        self.staging = self.state / "oma/staging"
        self.lab_state = self.state / "lab"
        self.lab = {}
        self.ports = {}
        self.processes = {}

    # --- the lab -------------------------------------------------------------------------------------------------

    def lab_command(self, *arguments, check=True, limit=300):
        command = [str(ROOT / "build/lab/migratekit-lab"), "--state", str(self.lab_state), *arguments]
        completed = subprocess.run(command, capture_output=True, text=True, timeout=limit, check=False)
        if check and completed.returncode != 0:
            raise SiteError(f"{' '.join(command)} failed:\n{completed.stdout}{completed.stderr}")
        return completed.stdout

    def fault(self, simulator, name, **parameters):
        self.lab_command("fault", simulator, name, *(f"{key}={value}" for key, value in parameters.items()))

    def clear_faults(self):
        self.lab_command("fault", "clear")

    def operate(self, simulator, name, **parameters):
        return self.lab_command("op", simulator, name, *(f"{key}={value}" for key, value in parameters.items()))

    def control(self, simulator, path="/state"):
        """What the simulator's side channel answers, as JSON."""
        path_of_socket = str(self.lab_state / simulator / "control.sock")
        completed = subprocess.run(["curl", "-sS", "--fail", "--max-time", "60", "--unix-socket", path_of_socket,
                                    f"http://lab{path}"], capture_output=True, text=True, check=True)
        return json.loads(completed.stdout)

    def oracle(self, *arguments, limit=300):
        """Exit code and output of the lab's oracle."""
        completed = subprocess.run([str(ROOT / "build/lab/lab-oracle"), *map(str, arguments)], capture_output=True, text=True,
                                   timeout=limit, check=False)
        if completed.returncode == 2:
            raise SiteError(f"the oracle could not answer: {completed.stdout}{completed.stderr}")
        return completed.returncode, completed.stdout.strip()

    def machine(self, name):
        for machine in self.lab["vcenter"]["machines"]:
            if machine["name"] == name:
                return machine
        raise SiteError(f"the lab has no machine {name}")

    # --- the services --------------------------------------------------------------------------------------------

    def up(self):
        self.state.mkdir(parents=True, exist_ok=True)
        os.chmod(self.state, 0o700)
        self.lab_command("up", *(() if self.guests else ("--no-guests",)),
                         *(("--inventory", str(self.inventory)) if self.inventory else ()))
        self.lab = json.loads((self.lab_state / "lab.json").read_text())
        self.write_configuration()
        for service in SERVICES:
            self.start(service)
        self.sign_in()
        self.pair()
        return self

    def write_configuration(self):
        for folder in ("vma", "oma", "oma/volumes", "log", "run"):
            (self.state / folder).mkdir(parents=True, exist_ok=True)
        self.staging.mkdir(parents=True, exist_ok=True)
        self.ports = {service: free_port() for service in (*HTTP_SERVICES, "tunnel-gateway")}
        (self.state / "ports.json").write_text(json.dumps(self.ports))
        oma, vma = self.state / "oma", self.state / "vma"
        self.config("vma-api", f"""
            listen = "127.0.0.1:{self.ports['vma-api']}"
            token_file = "{vma}/token"
            state_folder = "{vma}/state"
            [tunnel]
            folder = "{vma}/tunnel"
            """)
        self.config("tunnel-client", f"""
            folder = "{vma}/tunnel"
            appliance_id = "vma-lab"
            name = "lab site"
            vma_api = "127.0.0.1:{self.ports['vma-api']}"
            vma_token_file = "{vma}/token"
            metrics_folder = "{vma}/metrics"
            """)
        self.config("tunnel-gateway", f"""
            listen = "127.0.0.1:{self.ports['tunnel-gateway']}"
            folder = "{oma}/tunnel"
            name = "lab oma"
            hand_off_socket = "{self.state}/run/hand-off.sock"
            control_folder = "{self.state}/run/control"
            metrics_folder = "{oma}/metrics"
            """)
        self.config("volume-daemon", f"""
            listen = "127.0.0.1:{self.ports['volume-daemon']}"
            nbd_listen = ""
            nbd_socket = "{self.state}/run/nbd.sock"
            token_file = "{oma}/volumes.token"
            database = "sqlite:{oma}/migratekit.db"
            migrations = "{ROOT}/migrations"
            key_file = "{oma}/key"
            state_folder = "{oma}/volumes"
            staging_folder = "{self.staging}"
            device_directory = "{self.lab['cloudstack']['device_directory']}"
            links_folder = "{oma}/volumes/links"
            [tunnel]
            hand_off_socket = "{self.state}/run/hand-off.sock"
            folder = "{oma}/tunnel"
            metrics_folder = "{oma}/metrics"
            """)
        self.config("oma-api", f"""
            listen = "127.0.0.1:{self.ports['oma-api']}"
            state_folder = "{oma}"
            database = "sqlite:{oma}/migratekit.db"
            migrations = "{ROOT}/migrations"
            key_file = "{oma}/key"
            token_file = "{oma}/administrator.token"
            [tunnel]
            folder = "{oma}/tunnel"
            control_folder = "{self.state}/run/control"
            [volumes]
            url = "http://127.0.0.1:{self.ports['volume-daemon']}"
            token_file = "{oma}/volumes.token"
            [guest]
            # This machine's KVM may not work inside its own virtual machine.
            force_emulation = true
            work_folder = "{oma}"
            {f'inspector = "{self.tools}/migratekit-inspect"' if self.tools else ""}
            """)

    def config(self, service, text):
        lines = (line.strip() for line in text.strip().splitlines())
        (self.state / f"{service}.toml").write_text("\n".join(lines) + "\n")

    def pid_file(self, service):
        return self.state / f"{service}.pid"

    def start(self, service):
        with open(self.state / "log" / f"{service}.log", "ab") as log:
            program, *arguments = SERVICES[service]
            process = subprocess.Popen([str(self.programs / program), *arguments, "--config", str(self.state / f"{service}.toml")],
                                       stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True,
                                       env=self.service_environment())
        self.processes[service] = process
        self.pid_file(service).write_text(str(process.pid))

        def healthy():
            if process.poll() is not None:
                raise SiteError(f"{service} ended with {process.returncode}:\n{self.log_tail(service)}")
            return self.answers(service)

        wait_for(f"{service} to answer", healthy, 30)

    def service_environment(self):
        if not self.tools:
            return None
        return {**os.environ, "PATH": f"{self.tools}:{os.environ['PATH']}"}

    def answers(self, service):
        """True when the service is there. The tunnel's client listens to nobody: it is proven by what goes through it."""
        try:
            if service in HTTP_SERVICES:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.ports[service]}/health", timeout=2) as answer:
                    return answer.status == 200
            if service in self.ports:
                with socket.create_connection(("127.0.0.1", self.ports[service]), timeout=2):
                    return True
            return True
        except OSError:
            return False

    def log_tail(self, service, lines=25):
        return "\n".join((self.state / "log" / f"{service}.log").read_text(errors="replace").splitlines()[-lines:])

    def kill(self, service, how=signal.SIGKILL):
        process = self.processes[service]
        process.send_signal(how)
        process.wait(timeout=60)

    def restart(self, service, how=signal.SIGKILL):
        self.kill(service, how)
        self.start(service)

    def engine_pids(self):
        """The copy processes of this site's VMA."""
        listing = subprocess.run(["pgrep", "-P", str(self.processes["vma-api"].pid), "-f", "migratekit-engine"],
                                 capture_output=True, text=True, check=False)
        return [int(pid) for pid in listing.stdout.split()]

    def stop_services(self):
        for service in reversed(list(SERVICES)):
            process = self.processes.get(service)
            if process and process.poll() is None:
                process.terminate()
                try:
                    process.wait(timeout=30)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait(timeout=10)
            self.pid_file(service).unlink(missing_ok=True)

    def adopt(self):
        """Takes over an installation that another process started (the demo's --stop)."""
        for service in SERVICES:
            try:
                pid = int(self.pid_file(service).read_text())
                command = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
            except (OSError, ValueError):
                continue
            if str(self.state) in command:
                os.kill(pid, signal.SIGTERM)
                wait_for(f"{service} to end", lambda pid=pid: not Path(f"/proc/{pid}").exists(), 40)
            self.pid_file(service).unlink(missing_ok=True)

    def down(self):
        self.stop_services()
        self.lab_command("down", check=False)

    # --- the command line ----------------------------------------------------------------------------------------

    @property
    def url(self):
        return f"http://127.0.0.1:{self.ports['oma-api']}"

    @property
    def token_file(self):
        return self.state / "oma/administrator.token"

    def environment(self):
        return {**os.environ, "MIGRATEKIT_CONFIG": str(self.state / "cli.toml"), "NO_COLOR": "1"}

    def run_cli(self, *arguments, limit=300):
        """The completed process, whatever its exit code."""
        return subprocess.run([str(self.programs / "migratekit"), *arguments], capture_output=True, text=True, timeout=limit,
                              check=False, env=self.environment(), stdin=subprocess.DEVNULL)

    def cli(self, *arguments, limit=300):
        completed = self.run_cli(*arguments, limit=limit)
        if completed.returncode != 0:
            raise CommandFailed(arguments, completed)
        return completed.stdout

    def cli_json(self, *arguments, limit=300):
        """The command's JSON; with --wait the last line, which is the result."""
        text = self.cli("-o", "json", *arguments, limit=limit)
        try:
            return json.loads(text)
        except ValueError:
            return json.loads(text.strip().splitlines()[-1])

    def api(self, method, path, body=None, limit=120):
        """One call of the OMA's API; returns status and JSON, whatever the status."""
        request = urllib.request.Request(self.url + path, method=method,
                                         data=None if body is None else json.dumps(body).encode())
        request.add_header("Authorization", "Bearer " + self.token_file.read_text().strip())
        request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=limit) as answer:
                return answer.status, json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read() or b"null")

    def sign_in(self):
        self.cli("login", "--url", self.url, "--token-file", str(self.token_file))

    def pair(self):
        """The two appliances, as the operators of both sites would pair them."""
        def appliances():
            return self.api("GET", "/api/v1/appliances")[1]["appliances"]

        if not appliances():
            code = self.cli_json("appliance", "pair", "--no-wait")["code"]
            subprocess.run([str(self.programs / "migratekit-tunnel"), "pair", "--config", str(self.state / "tunnel-client.toml"),
                            "--gateway", f"127.0.0.1:{self.ports['tunnel-gateway']}"], input=code + "\n", text=True,
                           capture_output=True, check=True, timeout=60)
        wait_for("the tunnel", lambda: all(a["reachable"] for a in appliances()), 30)

    def connect(self):
        """vCenter and CloudStack, as an operator would connect them."""
        vcenter, cloud = self.lab["vcenter"], self.lab["cloudstack"]
        if not self.cli_json("vcenter", "list").get("credentials"):
            self.cli("vcenter", "add", "--name", "lab", "--url", vcenter["url"], "--user", vcenter["username"],
                     "--password-file", vcenter["password_file"], "--certificate-sha256", vcenter["certificate_sha256"])
        key_file = self.state / "oma/api.key"
        key_file.write_text(cloud["api_key"])
        isolated = next(n for n in cloud["networks"] if n["isolated"])
        production = next(n for n in cloud["networks"] if not n["isolated"])
        self.cli("cloudstack", "connect", "--url", cloud["url"], "--api-key-file", str(key_file), "--secret-key-file",
                 cloud["secret_key_file"], "--service-offering", cloud["service_offering_id"], "--disk-offering",
                 cloud["disk_offering_id"], "--template", cloud["template_id"], "--zone", cloud["zone_id"], "--network",
                 production["id"], "--test-network", isolated["id"], "--appliance-vm", cloud["appliance_vm_id"])
