"""What every workload needs: folders, sizes, programs, certificates, and the clients' command lines."""

import dataclasses
import pathlib
import shutil

import ours
import servers
from measure import Contestant
from processes import Failed, Stage

# What nbdcopy offers to turn; the best of them is its tuned contestant.
TUNINGS = (
    (),
    ("--connections=1",),
    ("--connections=2",),
    ("--connections=2", "--requests=2"),
    ("--connections=2", "--requests=4"),
    ("--connections=2", "--requests=8"),
    ("--connections=2", "--requests=4", "--request-size=524288"),
    ("--connections=2", "--requests=16", "--request-size=1048576"),
    ("--connections=2", "--requests=8", "--request-size=2097152", "--queue-size=33554432"),
    ("--connections=4", "--requests=16"),
    ("--connections=2", "--requests=4", "--sparse=65536"),
    ("--connections=4", "--sparse=65536"),
)
DEFAULT = "nbdcopy"
TUNED = "nbdcopy, best tuned"


@dataclasses.dataclass
class Bench:
    """Made once per call of scripts/bench."""

    memory: pathlib.Path  # folder in memory, in small pages: for files with holes
    huge: pathlib.Path  # folder in memory, in huge pages: for dense files, whose extents nbdkit then finds quickly
    disk: pathlib.Path  # folder on a real file system
    programs: pathlib.Path
    is_quick: bool
    trials: int  # of each setting of a tuned peer
    say: object
    endings: list = dataclasses.field(default_factory=list)

    def at_end(self, act):
        """Calls `act` when the workload is over."""
        self.endings.append(act)

    def end_workload(self):
        while self.endings:
            self.endings.pop()()
        self.drop_images()

    def size(self, full):
        """A quick run moves a quarter."""
        return full // 4 if self.is_quick else full

    def stage(self):
        return Stage(self.folder("run"))

    def folder(self, name):
        path = self.memory / name
        path.mkdir(exist_ok=True)
        return path

    def certificates(self):
        folder = self.memory / "certificates"
        return folder if folder.exists() else servers.make_certificates(folder)

    def identities(self, gateway):
        """Folder with both sides' identities; the VMA's pairing says that its gateway is at `gateway`."""
        folder = self.memory / f"identities-{gateway.replace(':', '-')}"
        return folder if folder.exists() else ours.make_identities(self, folder, gateway)

    def image(self, name, make, *arguments, folder=None):
        """Makes an image once per workload; of a dense disk, unless another folder is given."""
        path = (folder or self.huge) / name
        if not path.exists():
            make(path, *arguments)
        return path

    def drop_images(self):
        shutil.rmtree(self.folder("images"), ignore_errors=True)
        for folder in (self.huge, self.disk):
            for path in folder.iterdir():
                shutil.rmtree(path) if path.is_dir() else path.unlink()

    # Clients

    def nbdcopy(self, source, target, *words):
        return ["nbdcopy", *words, source, target]

    def qemu_img(self, source, target, *words):
        return ["qemu-img", "convert", "-n", *words, "-f", "raw", "-O", "raw", source, target]

    def loop(self, source, target):
        return [self.programs / "mk_bench_loop", source, target]

    def tuned(self, run, candidates=TUNINGS, goal=None, name=TUNED, always=()):
        """The contestant with the settings that were fastest in the trials. `run` takes nbdcopy's options."""
        chosen = {}

        def choose():
            times = {}
            for words in candidates:
                times[words] = min(run(*always, *words).wall_s for _ in range(self.trials))
            best = min(times, key=times.get)
            contestant.settings = " ".join((*always, *best)) or "default settings"
            self.say(f"  nbdcopy tuned: {contestant.settings}")
            return best

        def run_best():
            if not chosen:
                chosen["words"] = choose()
            return run(*always, *chosen["words"])

        contestant = Contestant(name, run_best, goal)
        return contestant


def expect(is_true, what):
    if not is_true:
        raise Failed(what)
