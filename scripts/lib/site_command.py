"""scripts/site: starts and stops a whole installation on this machine, to work with by hand."""

import argparse
import json
import shutil
import sys
from pathlib import Path

from installation import ROOT, SERVICES, CommandFailed, Site, SiteError


def say_how_to_use(site):
    print(f"""export MIGRATEKIT_CONFIG={site.state}/cli.toml
export PATH={site.programs}:{ROOT}/build/lab:$PATH
# API {site.url}, token in {site.token_file}, logs in {site.state}/log
# the lab: migratekit-lab --state {site.lab_state} status""")


def up(site, options):
    site.adopt()
    print("Starting the lab and the services ...", file=sys.stderr)
    site.up()
    if options.connect:
        site.connect()
    say_how_to_use(site)


def down(site, options):
    site.adopt()
    site.lab_command("down", check=False)
    if options.delete:
        shutil.rmtree(site.state, ignore_errors=True)
    print("Stopped.", file=sys.stderr)


def status(site, _options):
    running = {}
    for service in SERVICES:
        try:
            pid = int(site.pid_file(service).read_text())
            running[service] = str(site.state) in Path(f"/proc/{pid}/cmdline").read_text()
        except (OSError, ValueError):
            running[service] = False
    print(json.dumps(running))
    sys.exit(0 if all(running.values()) else 1)


def main():
    parser = argparse.ArgumentParser(prog="scripts/site", formatter_class=argparse.RawDescriptionHelpFormatter,
                                     description="Example: eval \"$(scripts/site up --connect)\" && migratekit discover list\n\n"
                                                 "A whole installation by hand: lab, services, access token.")
    parser.add_argument("action", choices=("up", "down", "status"))
    parser.add_argument("--state", default=str(ROOT / "build/site"), help="where everything is kept (default: build/site)")
    parser.add_argument("--no-guests", action="store_true", help="small disks without operating systems")
    parser.add_argument("--connect", action="store_true", help="up: also register the lab's vCenter and CloudStack")
    parser.add_argument("--delete", action="store_true", help="down: also delete disks and databases")
    options = parser.parse_args()
    site = Site(options.state, guests=not options.no_guests)
    try:
        {"up": up, "down": down, "status": status}[options.action](site, options)
    except (SiteError, CommandFailed) as error:
        print(error, file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
