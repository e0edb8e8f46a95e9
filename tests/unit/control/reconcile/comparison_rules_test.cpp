// What no comparison may ever say, whatever is recorded and whatever exists: random records against a random reality.

#include <algorithm>
#include <random>

#include "unit/control/reconcile/situation.hpp"

namespace mk::reconcile {
namespace {

class Dice {
  public:
    explicit Dice(unsigned seed) : generator_(seed) {}
    int below(int count) { return std::uniform_int_distribution(0, count - 1)(generator_); }
    bool half() { return below(2) == 0; }
    template <class Value>
    Value one_of(std::vector<Value> values) {
        return values.at(static_cast<std::size_t>(below(static_cast<int>(values.size()))));
    }

  private:
    std::mt19937 generator_;
};

const std::vector<MachineStatus> all_statuses{
    MachineStatus::discovered,         MachineStatus::initial_sync, MachineStatus::replicating,
    MachineStatus::ready_for_failover, MachineStatus::failed,       MachineStatus::failing_over_test,
    MachineStatus::failed_over_test,   MachineStatus::rolling_back, MachineStatus::failing_over_live,
    MachineStatus::failed_over_live,   MachineStatus::committed,    MachineStatus::cleanup_required};

VmContextId anybody(Dice& dice) {
    return dice.one_of<VmContextId>({web, gone_machine, stranger});
}

/// Few ids, so that records and reality often mean the same object.
std::string an_id(Dice& dice, const char* prefix) {
    return prefix + std::to_string(dice.below(4));
}

std::optional<std::string> a_tag(Dice& dice) {
    return dice.half() ? std::optional(anybody(dice).value) : std::nullopt;
}

void record(Situation& situation, Dice& dice) {
    auto& records = situation.records;
    records.machines.front().status = dice.one_of(all_statuses);
    if (dice.half()) {
        records.busy.insert(anybody(dice));
    }
    for (int i = dice.below(3); i > 0; --i) {
        const auto id = an_id(dice, "v-");
        if (std::none_of(records.volumes.begin(), records.volumes.end(),
                         [&](const auto& row) { return row.id.value == id; })) {
            auto& row = situation.add_row(id, anybody(dice));
            if (dice.half()) {
                situation.add_snapshot_to(row, an_id(dice, "s-"));
            }
        }
    }
    for (int i = dice.below(3); i > 0; --i) {
        records.clones.push_back({.row_id = "c" + std::to_string(i),
                                  .name = "clone",
                                  .id = VolumeId{dice.half() ? an_id(dice, "v-c") : ""},
                                  .vm = anybody(dice)});
    }
    if (dice.half()) {
        records.failovers.push_back({.job = JobId{"j"},
                                     .vm = web,
                                     .live = dice.half(),
                                     .status = "completed",
                                     .machine = CloudMachineId{dice.half() ? an_id(dice, "m-") : ""},
                                     .machine_name = "name-of-" + an_id(dice, "m-")});
    }
    for (int i = dice.below(4); i > 0; --i) {
        const auto [kind, prefix] = dice.one_of<std::pair<const char*, const char*>>(
            {{"machine", "m-"}, {"volume", "v-"}, {"volume_snapshot", "s-"}, {"default_root", "v-"}});
        const auto id = an_id(dice, prefix);
        situation.add_entry(kind, "name-of-" + id, dice.half() ? id : "", anybody(dice));
    }
    if (dice.half()) {
        situation.hand_over("volume", an_id(dice, "v-"));
        situation.hand_over("machine", an_id(dice, "m-"));
    }
}

void make_reality(Situation& situation, Dice& dice) {
    auto& view = situation.target;
    view.volumes.clear();
    for (int i = 0; i < 4; ++i) {
        const auto suffix = std::to_string(i);
        if (dice.half()) {
            view.machines.push_back(Situation::machine("m-" + suffix, web));
            view.machines.back().context = a_tag(dice);
        }
        for (const auto* prefix : {"v-", "v-c"}) {
            if (dice.half()) {
                auto volume = Situation::volume(prefix + suffix, web);
                volume.context = a_tag(dice);
                if (dice.half()) {
                    volume.vm_id = CloudMachineId{dice.half() ? appliance.value : an_id(dice, "m-")};
                }
                view.volumes.push_back(volume);
            }
        }
        if (dice.half()) {
            view.snapshots.push_back(Situation::snapshot("s-" + suffix, an_id(dice, "v-")));
            view.snapshots.back().context = a_tag(dice);
        }
    }
}

const CloudVolume* volume_of(const TargetView& view, const std::string& id) {
    const auto found =
        std::find_if(view.volumes.begin(), view.volumes.end(), [&](const auto& one) { return one.id.value == id; });
    return found == view.volumes.end() ? nullptr : &*found;
}

void check_removal(const Situation& situation, const Observation& one) {
    const RecordIndex index(situation.records);
    if (one.object_kind == object_volume || one.object_kind == object_snapshot) {
        EXPECT_TRUE(one.needs_confirmation()) << "it may hold data";
    }
    if (const auto* volume = volume_of(situation.target, one.object_id)) {
        EXPECT_TRUE(!volume->vm_id || *volume->vm_id == appliance) << "it is in use elsewhere";
        EXPECT_FALSE(one.object_kind != object_volume && index.volume(volume->id) != nullptr) << "it is a replica";
        const auto* row = index.volume(volume->id);
        EXPECT_FALSE(row != nullptr && index.machine(row->vm) != nullptr) << "a managed machine has its copy there";
    }
    if (one.object_kind == object_machine) {
        for (const auto& volume : situation.target.volumes) {
            const bool is_of_ours = volume.context || index.volume(volume.id) != nullptr ||
                                    index.clone(volume.id) != nullptr || index.is_handed_over(volume.id.value);
            EXPECT_FALSE(is_of_ours && volume.vm_id && volume.vm_id->value == one.object_id)
                << volume.id.value << " would be lost with it";
        }
    }
}

void check(const Situation& situation, const Observation& one) {
    const RecordIndex index(situation.records);
    EXPECT_FALSE(one.detail.empty());
    EXPECT_NE(one.object_id, appliance.value);
    EXPECT_FALSE(index.is_busy(one.vm)) << "its machine has a job";
    EXPECT_FALSE(one.kind != Kind::missing && index.is_handed_over(one.object_id)) << "it is the operator's";
    if (one.action == Action::remove) {
        EXPECT_EQ(one.kind, Kind::orphan);
        check_removal(situation, one);
    }
    if (one.action == Action::forget) {
        EXPECT_EQ(one.kind, Kind::missing);
        EXPECT_EQ(volume_of(situation.target, one.object_id), nullptr) << "it is there";
    }
}

TEST(ComparisonRules, HoldWhateverIsRecordedAndWhateverExists) {
    std::set<std::string> removed;
    for (unsigned seed = 1; seed <= 3000; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        Dice dice(seed);
        Situation situation;
        record(situation, dice);
        make_reality(situation, dice);
        const auto seen = situation.seen();
        for (std::size_t i = 0; i < seen.size(); ++i) {
            SCOPED_TRACE(sentence(seen[i]));
            check(situation, seen[i]);
            if (seen[i].action == Action::remove) {
                removed.insert(seen[i].object_kind);
            }
            for (std::size_t j = 0; j < i; ++j) {
                EXPECT_FALSE(seen[i].key() == seen[j].key()) << "said twice";
            }
        }
        if (testing::Test::HasFailure()) {
            return;
        }
    }
    const std::set<std::string> all{object_machine, object_volume, object_clone, object_root, object_snapshot};
    EXPECT_EQ(removed, all) << "the dice do not reach every case";
}

}  // namespace
}  // namespace mk::reconcile
