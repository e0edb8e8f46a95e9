"""scripts/demo: tells the story of the product in a lab of its own and writes build/demo-report.json."""

import argparse
import json
import shutil
import sys
import threading
import time
from pathlib import Path

from installation import ROOT, CommandFailed, Site, SiteError
from story import Story, StoryError, mib

STATE = ROOT / "build/demo"
REPORT = ROOT / "build/demo-report.json"


class Screen:
    """Tells what happens while it happens: the step, and below it what the product says of its running job."""

    def __init__(self, site):
        self.site = site
        self.is_terminal = sys.stdout.isatty()
        self.stopping = threading.Event()
        self.last = ""

    def line(self, text):
        if self.is_terminal:
            print("\r\033[K" + text, flush=True)
        else:
            print(text, flush=True)

    def watch(self):
        """Until stopped, shows the running job's step and bytes, at most twice a second."""
        while not self.stopping.wait(0.5):
            try:
                jobs = self.site.api("GET", "/api/v1/jobs?open=true", limit=5)[1]["jobs"]
                text = self.progress_of(self.site.api("GET", f"/api/v1/jobs/{jobs[0]['job_id']}", limit=5)[1]) if jobs else ""
            except (OSError, KeyError, ValueError, IndexError):
                continue
            if text and text != self.last:
                self.last = text
                print(f"\r\033[K      {text}" if self.is_terminal else f"      {text}", end="" if self.is_terminal else "\n", flush=True)

    @staticmethod
    def progress_of(job):
        steps = job["steps"]
        running = next((s for s in steps if s["status"] == "running"), None)
        if not running:
            return ""
        text = f"[{running['order']}/{len(steps)}] {running['title']}"
        replication = job.get("replication")
        if running["name"] == "copy" and replication and replication["bytes_total"]:
            done, total = replication["bytes_done"], replication["bytes_total"]
            text += f"  {100 * done // total} %  {mib(done)} of {mib(total)}  {mib(replication['bytes_per_second'])}/s"
            if replication["vma_eta_seconds"] is not None:
                text += f"  {replication['vma_eta_seconds']} s left"
        elif running["detail"]:
            text += f"  {running['detail']}"
        return text


def tell_story(site):
    screen = Screen(site)
    story = Story(site, lambda text: screen.line(f"      {text}"))
    entries = []
    watcher = threading.Thread(target=screen.watch, daemon=True)
    watcher.start()
    problem = None
    try:
        for number, (name, title, _) in enumerate(story.STEPS, 1):
            screen.line(f"\n[{number}/{len(story.STEPS)}] {title}")
            started = time.monotonic()
            try:
                entries.append(story.run_step(name))
            except (StoryError, SiteError, CommandFailed) as error:
                entries.append({"name": name, "ok": False, "seconds": round(time.monotonic() - started, 1),
                                "bytes_changed": 0, "bytes_sent": 0})
                problem = str(error)
                break
    finally:
        screen.stopping.set()
        watcher.join()
    return story, entries, problem


def print_table(story, entries):
    titles = {name: title for name, title, _ in story.STEPS}
    print(f"\n{'STEP':44} {'RESULT':8} {'TIME':>8} {'TO HANDLE':>11} {'SENT':>11}")
    for entry in entries:
        figures = (mib(entry["bytes_changed"]), mib(entry["bytes_sent"])) if entry["bytes_changed"] else ("", "")
        print(f"{titles[entry['name']]:44} {'ok' if entry['ok'] else 'FAILED':8} {entry['seconds']:>6.1f} s {figures[0]:>11} {figures[1]:>11}")


def say_how_to_look_around(site):
    print(f"""
The installation is still running. Look around:
  export MIGRATEKIT_CONFIG={site.state}/cli.toml PATH={site.programs}:{ROOT}/build/lab:$PATH
  migratekit vm list
  migratekit job list
  migratekit ledger list
  migratekit-lab --state {site.lab_state} status
API       {site.url}
Token     in {site.token_file}
Logs      {site.state}/log
End it with: scripts/demo --stop""")


def main():
    parser = argparse.ArgumentParser(
        prog="scripts/demo", formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Example: scripts/demo\n\nReplicates, rehearses, rolls back and moves a running machine in a lab on this machine.")
    parser.add_argument("--keep", action="store_true", help="leave everything running at the end, to look around")
    parser.add_argument("--stop", action="store_true", help="end an installation that --keep left running")
    options = parser.parse_args()
    if sys.version_info < (3, 11):
        parser.error("needs Python 3.11")

    site = Site(STATE)
    site.adopt()
    if (ROOT / "build/lab/migratekit-lab").exists():
        site.lab_command("down", check=False)
    shutil.rmtree(STATE, ignore_errors=True)
    if options.stop:
        print("Stopped.")
        return 0

    started = time.monotonic()
    print("Starting the lab (vCenter, CloudStack, guests) and the services ...", flush=True)
    entries, story, problem = [], None, None
    try:
        site.up()
        story, entries, problem = tell_story(site)
    except (SiteError, CommandFailed) as error:
        problem = str(error)
    done = problem is None
    report = {"ok": done, "steps": entries, "digests": story.digests if story else [], "orphans": story.orphans if story else None}
    REPORT.write_text(json.dumps(report, indent=2) + "\n")
    if story:
        print_table(story, entries)
    if options.keep and story:
        say_how_to_look_around(site)
    else:
        site.down()
        if done:
            shutil.rmtree(STATE, ignore_errors=True)
    minutes, seconds = divmod(int(time.monotonic() - started), 60)
    if not done:
        print(f"\nFAILED: {problem}\nLogs: {STATE}/log and {STATE}/lab/log. Report: {REPORT}", file=sys.stderr)
        return 1
    print(f"\nThe story is told: everything was as it must be, in {minutes} min {seconds} s. Report: {REPORT.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
