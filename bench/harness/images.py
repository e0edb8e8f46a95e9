"""Content of the disks. Everything is made from fixed seeds: two runs of the benchmark copy the same bytes."""

import os
import pathlib
import random
import subprocess

from processes import Failed

KIB = 1 << 10
MIB = 1 << 20
GIB = 1 << 30
PIECE = 64 * KIB


def random_bytes(path, size):
    """A file of bytes that nothing compresses."""
    with open(path, "wb") as output:
        head = subprocess.Popen(["head", "-c", str(size), "/dev/zero"], stdout=subprocess.PIPE)
        cipher = subprocess.run(
            ["openssl", "enc", "-aes-128-ctr", "-nosalt", "-K", "5eed" * 8, "-iv", "0" * 32],
            stdin=head.stdout, stdout=output, stderr=subprocess.PIPE, check=False)
        head.stdout.close()
        head.wait()
    if cipher.returncode != 0 or os.path.getsize(path) != size:
        raise Failed(f"could not make {path}: {cipher.stderr.decode(errors='replace')}")
    return pathlib.Path(path)


def sparse_file(path, size):
    """A new file without any block."""
    path = pathlib.Path(path)
    path.unlink(missing_ok=True)
    with open(path, "wb") as output:
        output.truncate(size)
    return path


def allocated_file(path, size):
    """A file whose blocks exist and hold something, as on a device that was used before."""
    with open(path, "wb") as output:
        block = b"\xa5" * MIB
        for _ in range(size // MIB):
            output.write(block)
    return pathlib.Path(path)


def zero_some(path, run, share=0.5):
    """Overwrites a share of the runs with zeros, which stay allocated."""
    order = random.Random(7)
    zeros = bytes(run)
    descriptor = os.open(path, os.O_RDWR)
    try:
        for offset in range(0, os.fstat(descriptor).st_size, run):
            if order.random() < share:
                os.pwrite(descriptor, zeros, offset)
    finally:
        os.close(descriptor)
    return pathlib.Path(path)


def scattered_file(path, size, data, pieces):
    """A sparse file with `data` bytes in `pieces` extents at even distances and of uneven lengths."""
    order = random.Random(11)
    average = data // pieces // KIB
    sparse_file(path, size)
    descriptor = os.open(path, os.O_RDWR)
    slot = size // pieces
    try:
        for number in range(pieces):
            length = order.randrange(average // 2, average * 3 // 2) // 4 * 4 * KIB
            offset = number * slot + order.randrange(0, slot - length) // (4 * KIB) * (4 * KIB)
            os.pwrite(descriptor, order.randbytes(length), offset)
    finally:
        os.close(descriptor)
    return pathlib.Path(path)


def changed_pieces(size, share=0.01, piece=PIECE):
    """(offset, length) of the pieces that an increment must move, in order."""
    order = random.Random(13)
    return [(number * piece, piece) for number in sorted(order.sample(range(size // piece), int(size / piece * share)))]


def write_extents(path, pieces):
    """One "offset length" per line: what nbdkit's extentlist filter and mk_bench_copy read."""
    pathlib.Path(path).write_text("".join(f"{offset} {length}\n" for offset, length in pieces))
    return pathlib.Path(path)


def operating_system_files(path, size):
    """What lies below /usr/lib of this machine, one file after the other, each from a multiple of 4 KiB on."""
    files = [os.path.join(where, name) for where, _, names in os.walk("/usr/lib") for name in names]
    random.Random(17).shuffle(files := sorted(files))
    with open(path, "wb") as output:
        for file in files:
            if os.path.islink(file) or not os.path.isfile(file) or os.path.getsize(file) > 32 * MIB:
                continue
            with open(file, "rb") as source:
                output.write(source.read())
            output.seek(-output.tell() % 4096, os.SEEK_CUR)
            if output.tell() >= size:
                break
        if output.tell() < size:
            raise Failed(f"this machine has less than {size // MIB} MiB of operating-system files")
        output.truncate(size)
    with open(path, "r+b") as filled:  # gaps between files are zeros that are allocated
        block = bytearray(MIB)
        for offset in range(0, size, MIB):
            got = os.preadv(filled.fileno(), [block], offset)
            os.pwrite(filled.fileno(), memoryview(block)[:got], offset)
    return pathlib.Path(path)


def same_content(one, other):
    """Whether two disks read the same; holes are skipped where both have them."""
    done = subprocess.run(["qemu-img", "compare", "-f", "raw", "-F", "raw", str(one), str(other)],
                          capture_output=True, text=True, check=False)
    return done.returncode == 0


def same_pieces(one, other, pieces):
    """Whether two disks read the same within the pieces."""
    with open(one, "rb") as a, open(other, "rb") as b:
        return all(os.pread(a.fileno(), length, offset) == os.pread(b.fileno(), length, offset)
                   for offset, length in pieces)


