"""tools/check-layers finds what it is there for: seeded violations, each in a small tree of its own."""

import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]


def check(root):
    return subprocess.run([ROOT / "tools/check-layers", "--root", root], capture_output=True, text=True, timeout=60,
                          check=False)


def violations(tmp_path, name, text):
    path = tmp_path / name
    path.parent.mkdir(parents=True)
    path.write_text(text)
    done = check(tmp_path)
    assert done.returncode == (1 if done.stdout else 0)
    return done.stdout.splitlines()


def test_the_product_keeps_to_its_layers():
    done = check(ROOT)
    assert (done.stdout, done.returncode) == ("", 0)


@pytest.mark.parametrize("name, include", [
    ("src/base/a.cpp", '"os/file.hpp"'),
    ("src/engine/a.cpp", '"source/vsphere/session.hpp"'),
    ("src/engine/a.cpp", '"target/cloudstack/client.hpp"'),
    ("src/control/failover/a.hpp", '"http/client.hpp"'),
    ("src/control/failover/a.hpp", '"control/replication/service.hpp"'),
    ("src/control/joblog/deep/a.hpp", '"control/machines/service.hpp"'),
    ("src/target/cloudstack/a.cpp", '"db/database.hpp"'),
    ("src/appliance/volumes/a.cpp", '"control/joblog/joblog.hpp"'),
    ("src/cli/a.cpp", '"model/machine.hpp"'),
    ("src/model/a.cpp", "<os/file.hpp>"),
    ("src/control/joblog/a.cpp", "<soci/soci.h>"),
    ("src/base/other.cpp", "<spdlog/spdlog.h>"),
    ("apps/oma-api/main.cpp", "<curl/curl.h>"),
    ("src/os/a.cpp", '"../base/error.hpp"'),
])
def test_forbidden_include_is_found_with_its_line(tmp_path, name, include):
    found = violations(tmp_path, name, f"#pragma once\n\n#include <string>\n  # include {include}\n")
    assert len(found) == 1
    assert found[0].startswith(f"{name}:4: ")


@pytest.mark.parametrize("name, include", [
    ("src/base/a.cpp", '"base/error.hpp"'),
    ("src/base/a.cpp", "<nlohmann/json.hpp>"),
    ("src/base/log.cpp", "<spdlog/spdlog.h>"),
    ("src/control/failover/a.cpp", '"control/joblog/joblog.hpp"'),
    ("src/control/failover/a.cpp", '"control/failover/ports.hpp"'),
    ("src/appliance/oma/a.cpp", '"control/failover/failover_service.hpp"'),
    ("src/target/volumes/a.cpp", '"target/cloudstack/client.hpp"'),
    ("apps/oma-api/main.cpp", '"source/vsphere/session.hpp"'),
    ("apps/oma-api/main.cpp", '"options.hpp"'),
])
def test_permitted_include_is_no_violation(tmp_path, name, include):
    assert violations(tmp_path, name, f"#include {include}\n") == []


def test_unknown_folder_is_a_violation(tmp_path):
    assert violations(tmp_path, "src/misc/a.cpp", "") == ["src/misc/a.cpp:1: the folder is not in the table of modules"]


@pytest.mark.parametrize("lines, expected", [(500, 0), (501, 1)])
def test_length_of_files_is_limited(tmp_path, lines, expected):
    assert len(violations(tmp_path, "src/base/a.cpp", "\n" * lines)) == expected


def test_empty_tree_is_not_a_success(tmp_path):
    assert check(tmp_path).returncode == 1
