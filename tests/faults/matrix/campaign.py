"""Many cases on a few installations side by side; each is used for as long as it is well. A case is mostly waiting, so several
fit onto two processors."""

import json
import queue
import shutil
import threading
import time
import traceback

from installation import ROOT

from matrix.driver import Driver, Result
from matrix.kinds import KINDS
from matrix.recording import ROUNDS, record_round
from matrix.subject import make_subject

REPORT = ROOT / "build/faults-report.json"
KEPT_LOGS = ROOT / "build/faults-logs"
SITES = 3
INCREMENTAL_EVERY = 8  # cases of a site after which the next pass is looked at


class Campaign:
    """Recordings first, if wanted; then cases. Results come through the queue `finished`, one per case."""

    def __init__(self, tell=print, sites=SITES):
        self.tell = tell
        self.finished = queue.Queue()
        self.results = []
        self.total = 0
        self.lock = threading.Lock()  # protects left, results and what is told
        self.left = []
        self.stopping = threading.Event()
        self.sites = [SiteOfCampaign(self) for _ in range(sites)]

    def record(self, names):
        """Recordings by kind, made on all sites at once."""
        found, problems = {}, []
        rounds = [r for r in ROUNDS if set(r) & set(names)]

        def work(site, mine):
            try:
                for one in mine:
                    found.update(record_round(site.ready_driver(), one, names))
                    self.say(f"recorded {', '.join(one)}")
            except Exception as error:  # noqa: BLE001  (raised again in the caller's thread)
                problems.append(error)

        self.in_threads(work, [(site, rounds[i::len(self.sites)]) for i, site in enumerate(self.sites)])
        if problems:
            raise problems[0]
        return {name: found[name] for name in names}

    @staticmethod
    def in_threads(work, arguments):
        threads = [threading.Thread(target=work, args=args, daemon=True) for args in arguments]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def start(self, cases):
        """All of them, in the background."""
        self.left = list(cases)
        self.total = len(cases)
        self.threads = [threading.Thread(target=site.work, daemon=True) for site in self.sites]
        for thread in self.threads:
            thread.start()

    def next_case(self, place):
        """The next one that begins where the machine stands, if there is any: the way back of one case is the next one's
        operation. Of those, one whose end is where others begin. None when all are taken."""
        with self.lock:
            if not self.left or self.stopping.is_set():
                return None
            waiting = {KINDS[c.kind].begins for c in self.left} - {"ready"}
            here = [c for c in self.left if KINDS[c.kind].begins == place] or self.left
            case = next((c for c in here if KINDS[c.kind].ends in waiting), here[0])
            self.left.remove(case)
            return case

    def keep(self, result):
        with self.lock:
            self.results.append(result)
            failed = sum(r.verdict == "failed" for r in self.results)
            count = f"{len(self.results)} of {self.total}, {failed} failed"
        note = " (the fault met nothing)" if result.verdict == "missed" else ""
        word = "FAILED" if result.verdict == "failed" else "ok    "
        self.say(f"{word} {result.case}{note} ({result.seconds} s; {count})" + (f"\n       {result.text}" if result.text else ""))
        self.finished.put(result)

    def say(self, text):
        with self.lock:
            self.tell(text)

    def end(self):
        self.stopping.set()
        for thread in getattr(self, "threads", []):
            thread.join()
        for site in self.sites:
            site.end()


class SiteOfCampaign:
    """One installation, used by one thread; made when it is needed, and again after a case that failed."""

    making = threading.Lock()  # free ports are looked for and taken in two steps

    def __init__(self, campaign):
        self.campaign = campaign
        self.driver = None
        self.count = 0

    def ready_driver(self):
        if not self.driver:
            with self.making:
                subject = make_subject()
            self.driver = Driver(subject)
        return self.driver

    def work(self):
        while case := self.campaign.next_case(self.driver.place if self.driver else "ready"):
            self.campaign.keep(self.run(case))

    def run(self, case):
        started = time.monotonic()
        result = Result(case.id, "passed")
        try:
            if self.ready_driver().run(case):
                result.verdict = "missed"
            self.count += 1
            if self.count % INCREMENTAL_EVERY == 0:
                self.driver.go_to("ready")
                self.driver.subject.next_sync_is_incremental()
        except Exception as error:  # noqa: BLE001  (whatever a case runs into is its result, and the others go on)
            result.verdict, result.text = "failed", f"{type(error).__name__}: {error}"
            self.give_up(case, error)
        result.seconds = round(time.monotonic() - started, 1)
        return result

    def give_up(self, case, error):
        """Keeps the logs; what the case left is thrown away with its installation."""
        folder = KEPT_LOGS / case.id.replace("/", "--")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        (folder / "error.txt").write_text("".join(traceback.format_exception(error)))
        if self.driver:
            site = self.driver.subject.site
            for log in [*site.state.glob("log/*.log"), *site.lab_state.glob("log/*.log")]:
                shutil.copyfile(log, folder / log.name)
            self.end()

    def end(self):
        if self.driver:
            self.driver.subject.end()
            self.driver = None


def write_report(results):
    """{"cases", "passed", "failed": [...]}: cases whose fault met nothing are counted apart."""
    counted = [r for r in results if r.verdict != "missed"]
    failed = [{"case": r.case, "text": r.text} for r in results if r.verdict == "failed"]
    REPORT.parent.mkdir(parents=True, exist_ok=True)
    REPORT.write_text(json.dumps({"cases": len(counted), "passed": len(counted) - len(failed), "failed": failed,
                                  "met_nothing": [r.case for r in results if r.verdict == "missed"]}, indent=1) + "\n")
    return f"{len(counted)} cases, {len(counted) - len(failed)} passed, {len(failed)} failed"
