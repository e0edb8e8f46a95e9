"""What the fault matrix generates from a recording, and what CI picks of it. No installation is needed."""

from matrix.cases import generate
from matrix.kinds import KINDS, PLACES, way
from matrix.recording import Command, Recording, Step, attribute, commands_of, from_json, instant, to_json
from matrix.subset import subset, uncovered


def command(name, nth=1, is_job=True, site="cloudstack", is_change=True):
    return Command(site, name, nth, is_job, is_change, 5)


def recorded(*steps):
    return {"live": Recording("live", tuple(Step(name, tuple(commands)) for name, *commands in steps))}


def ids(recordings):
    return [case.id for case in generate(recordings)]


def test_every_process_is_killed_before_during_and_after_a_command():
    found = ids(recorded(["volume-detachment", command("detachVolume")]))
    for process in ("oma-api", "volume-daemon"):
        for when in ("before", "during", "after"):
            assert f"live/volume-detachment/{process}-{when}-detachVolume-1" in found
    for point in ("queued", "transitional", "host", "done"):
        assert f"live/volume-detachment/cloudstack-{point}-detachVolume-1" in found
    assert len(found) == len(set(found))


def test_a_synchronous_command_has_no_middle():
    found = ids(recorded(["volume-attachment", command("deleteVolume", is_job=False)]))
    assert "live/volume-attachment/oma-api-before-deleteVolume-1" in found
    assert not [i for i in found if "during" in i or "fail_job" in i or "/cloudstack-" in i]


def test_of_many_commands_of_a_name_the_first_and_the_last_are_struck():
    found = ids(recorded(["volume-detachment", *(command("detachVolume", nth) for nth in (3, 4, 5))]))
    assert {i[-1] for i in found if "detachVolume" in i} == {"3", "5"}


def test_a_step_without_commands_is_disturbed_too():
    found = ids(recorded(["volume-preparation"]))
    assert {f"live/volume-preparation/{p}-{w}-the-step" for p in ("oma-api", "volume-daemon") for w in ("before", "after")} <= set(found)


def test_the_engine_dies_in_the_middle_of_its_copy():
    found = ids(recorded(["copy", command("QueryChangedDiskAreas", site="vcenter", is_job=False, is_change=False)]))
    assert "live/copy/engine-during-QueryChangedDiskAreas-1" in found


def test_the_subset_has_an_example_of_everything_and_is_the_same_every_time():
    cases = generate(recorded(["source-shutdown", command("ShutdownGuest", site="vcenter", is_job=False)],
                              ["volume-detachment", command("detachVolume"), command("detachVolume", 2)],
                              ["virtio-injection", command("attachVolume")], ["vm-startup-and-validation", command("startVirtualMachine")]))
    picked = subset(cases, 20)
    assert len(picked) == 20 and not uncovered(cases, picked)
    assert picked == subset(cases, 20)
    assert picked != subset(cases, 20, seed=1)


def test_commands_belong_to_the_step_that_had_begun():
    job = {"steps": [{"name": "one", "started_at": "2026-01-01T00:00:01.000Z"}, {"name": "two", "started_at": "2026-01-01T00:00:02.000Z"},
                     {"name": "never", "started_at": None}]}
    calls = [{"command": "detachVolume", "changing": True, "job": True, "at": f"2026-01-01T00:00:0{second}.5Z"} for second in (2, 1)]
    calls.append({"command": "listVolumes", "changing": False, "job": False, "at": "2026-01-01T00:00:01.7Z"})
    steps = attribute(job, commands_of("cloudstack", calls))
    assert [(s.name, [(c.name, c.nth, c.calls_before) for c in s.commands]) for s in steps] == [
        ("one", [("detachVolume", 1, 0)]), ("two", [("detachVolume", 2, 2)])]


def test_recordings_are_kept_as_json():
    recordings = recorded(["copy", command("CreateSnapshot_Task", site="vcenter")])
    assert from_json(to_json(recordings)) == recordings


def test_instants_with_nine_digits():
    assert instant("1970-01-01T00:00:01.123456789Z") - instant("1970-01-01T00:00:01.123Z") < 0.001


def test_there_is_a_way_between_all_places():
    for begin in PLACES:
        for end in PLACES:
            if begin == "committed":
                continue  # a new machine is needed
            place = begin
            for kind in way(begin, end):
                assert kind.begins == place
                place = kind.ends
            assert place == end
    assert {kind.begins for kind in KINDS.values()} | {kind.ends for kind in KINDS.values()} == set(PLACES)
