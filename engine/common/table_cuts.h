// Copies of the states of all tables at one moment, made in slices while the writer goes on: before
// the first change of a table that a copy has not reached, its state is set aside for the copy.
#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "engine/log_engine.h"
#include "engine/types.h"

namespace walden {

// The copies that are under way over the tables of one log. The log's mutex guards the copies too.
template <typename State>
class TableCuts {
 public:
  struct Copy {
    TableId from = 0;      // the first table that was not copied yet
    bool is_done = false;  // all were
    // Tables that changed since the cut; none: the table is newer than the cut.
    absl::btree_map<TableId, std::optional<State>> before;

    // The table's state at the cut, `now` unless it changed since; null if it was not there.
    const State* At(TableId table, const State& now) const {
      const auto changed = before.find(table);
      if (changed == before.end()) return &now;
      return changed->second ? &*changed->second : nullptr;
    }
    // Goes on to the table, or ends.
    void MoveTo(std::optional<TableId> next) {
      from = next.value_or(from);
      is_done = !next;
      before.erase(before.begin(), is_done ? before.end() : before.lower_bound(from));
    }
  };

  void Begin(Copy* copy) { copies_.push_back(copy); }
  void End(Copy* copy) { copies_.erase(std::find(copies_.begin(), copies_.end(), copy)); }

  // Call it before each change of a table. `state` null: the change adds the table.
  void BeforeChange(TableId table, const State* state) {
    for (Copy* copy : copies_) {
      if (copy->is_done || table < copy->from) continue;
      copy->before.try_emplace(table,
                               state == nullptr ? std::nullopt : std::optional<State>(*state));
    }
  }

 private:
  std::vector<Copy*> copies_;
};

// A cut of a log that does not change meanwhile.
class UnchangingTableCut final : public TableCut {
 public:
  explicit UnchangingTableCut(std::vector<TableState> tables) : tables_(std::move(tables)) {}

  std::vector<TableState> Next(size_t limit) override {
    const auto begin = tables_.begin() + static_cast<std::ptrdiff_t>(next_);
    next_ += std::min(limit, tables_.size() - next_);
    return {begin, tables_.begin() + static_cast<std::ptrdiff_t>(next_)};
  }

 private:
  const std::vector<TableState> tables_;
  size_t next_ = 0;
};

}  // namespace walden
