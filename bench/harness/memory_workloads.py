"""Memory of the engine: for each active disk, whatever its size."""

import images
import ours
import servers
from images import GIB, MIB
from measure import Figure


def peak(bench, count, size, data):
    """MiB of the engine while it copies `count` disks of `size` bytes at once, `data` bytes of content in each."""
    folders = [bench.folder("images") / side for side in ("from", "to")]
    for folder in folders:
        folder.mkdir(exist_ok=True)
    for number in range(count):
        images.scattered_file(folders[0] / f"disk{number}", size, data, max(1, data // MIB))
        images.sparse_file(folders[1] / f"disk{number}", size)
    with bench.stage() as stage:
        for side, folder in zip(("source", "target"), folders):
            servers.nbdkit(stage, "file", f"dir={folder}", socket=f"{stage.folder}/{side}.sock", name=side)
        pairs = [tuple(servers.unix_uri(f"{stage.folder}/{side}.sock", f"disk{number}")
                       for side in ("source", "target")) for number in range(count)]
        sample = stage.run(ours.copy(bench, pairs, is_fresh=True))
    bench.drop_images()
    return sample.client_kib / 1024


def memory(bench):
    figures = []
    for count, size, data in ((1, 2 * GIB, 512 * MIB), (1, 64 * GIB, 512 * MIB), (1, 2048 * GIB, 512 * MIB),
                              (8, 64 * GIB, 128 * MIB), (60, 64 * GIB, 32 * MIB)):
        measured = peak(bench, count, size, data)
        figures.append(Figure(f"memory of the engine for each active disk, {count} of {size // GIB} GiB",
                              round(measured / count, 1), "MiB", 64, f"{measured:.1f} MiB in all"))
    return figures
