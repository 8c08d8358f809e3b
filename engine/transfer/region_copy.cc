#include "engine/transfer/region_copy.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "engine/common/table_kind.h"
#include "engine/transfer/restore_writer.h"
#include "engine/transfer/table_reader.h"
#include "engine/wait.h"

namespace walden {
namespace {

absl::Status NotABeginning(TableId table, absl::string_view what) {
  return MakeError(absl::StatusCode::kFailedPrecondition, ErrorReason::kRestoreOutOfOrder,
                   absl::StrCat("the target is no beginning of a copy: table ", table, " ", what),
                   {{"field", "table_id"}, {"value", absl::StrCat(table)}});
}

std::string Shown(const TablePosition& position) {
  return absl::StrCat("next ", position.next, ", first ", position.first, ", deleted through ",
                      position.deleted_through);
}

// Reads both sides and compares them, table by table.
class RegionComparison {
 public:
  RegionComparison(const ReadableLog& source, const ReadableLog& target, bool skip_damaged,
                   absl::FunctionRef<bool(const RegionCopyProgress&)> progress)
      : source_(source), target_(target), skip_damaged_(skip_damaged), progress_(progress) {}

  RegionCopyProgress& seen() { return seen_; }
  RegionCopyResult& result() { return result_; }

  // Adds the damage that the source's opening found to the result.
  void TakeDamage(const std::vector<DamagedRange>& damaged) {
    source_is_damaged_ = !damaged.empty();
    result_.damaged = damaged;
  }

  // Checks that the target has no table that the source does not have.
  absl::Status CheckTables(const std::vector<TableState>& tables) const {
    // Both are ordered by table.
    auto here = tables.begin();
    for (const TableState& there : target_.Describe().tables) {
      while (here != tables.end() && here->table < there.table) ++here;
      const bool known = here != tables.end() && here->table == there.table;
      if (!known) return NotABeginning(there.table, "is not in the source");
    }
    return absl::OkStatus();
  }

  absl::Status Report() {
    return progress_(seen_) ? absl::OkStatus() : absl::CancelledError("stopped by the caller");
  }

  absl::Status Compare(TableId table) {
    std::vector<DamagedRange> damaged;
    const auto here = Digest(source_, table, &damaged);
    if (!here.ok()) return here.status();
    const auto there = Digest(target_, table, nullptr);
    if (!there.ok()) return there.status();
    const TablePosition from = source_.Position(table);
    const TablePosition to = target_.Position(table);
    const bool is_damaged = !damaged.empty() || source_is_damaged_;
    // Damage may have held the first live record, so its number is not known exactly.
    const bool same_first = from.first == from.next ? to.first == to.next : from.first == to.first;
    const bool same_position = from.deleted_through == to.deleted_through &&
                               target_.NextNumber(table) >= source_.NextNumber(table) &&
                               (is_damaged ? to.last < from.next : same_first);
    if (!same_position || *here != *there) {
      return MakeError(
          absl::StatusCode::kInternal, ErrorReason::kRestoreOutOfOrder,
          absl::StrCat("the copy of table ", table, " differs: ", here->Shown(), " (", Shown(from),
                       ") in the source, ", there->Shown(), " (", Shown(to), ") in the copy"),
          {{"field", "table_id"}, {"value", absl::StrCat(table)}});
    }
    ++result_.tables;
    result_.records += here->records;
    result_.bytes += here->bytes;
    result_.damaged.insert(result_.damaged.end(), damaged.begin(), damaged.end());
    return absl::OkStatus();
  }

 private:
  absl::StatusOr<TableDigest> Digest(const ReadableLog& log, TableId table,
                                     std::vector<DamagedRange>* damaged) {
    TableDigest digest;
    TableReader walker(log, table, 0, skip_damaged_ && damaged != nullptr);
    for (bool more = true; more;) {
      const auto step = walker.Next([&](const RecordView& record) {
        digest.Add(record.sequence, record.payload);
        seen_.bytes += record.payload.size();
      });
      if (!step.ok()) return step.status();
      more = *step;
      const absl::Status status = Report();
      if (!status.ok()) return status;
    }
    if (damaged != nullptr) {
      damaged->insert(damaged->end(), walker.damaged().begin(), walker.damaged().end());
    }
    return digest;
  }

  const ReadableLog& source_;
  const ReadableLog& target_;
  const bool skip_damaged_;
  absl::FunctionRef<bool(const RegionCopyProgress&)> progress_;
  RegionCopyProgress seen_;
  RegionCopyResult result_;
  bool source_is_damaged_ = false;  // as its opening found
};

class RegionCopier {
 public:
  RegionCopier(const ReadableLog& source, RegionLog& target, const RegionCopyOptions& options,
               absl::FunctionRef<bool(const RegionCopyProgress&)> progress)
      : source_(source),
        target_(target),
        skip_damaged_(options.skip_damaged),
        comparison_(source, target, options.skip_damaged, progress) {}

  absl::StatusOr<RegionCopyResult> Run() {
    const RegionDescription description = source_.Describe();
    comparison_.TakeDamage(description.opening.damaged);
    absl::Status status = CopyVersion(description.region_version);
    if (status.ok()) status = comparison_.CheckTables(description.tables);
    for (const TableState& table : description.tables) {
      if (status.ok()) status = CopyTable(table);
    }
    for (const TableState& table : description.tables) {
      if (status.ok()) status = comparison_.Compare(table.table);
    }
    if (!status.ok()) return status;
    return std::move(comparison_.result());
  }

 private:
  absl::Status CopyVersion(uint64_t version) {
    if (version == 0) return absl::OkStatus();
    // This mark deletes nothing, since no record has number 0; it stores the region version.
    return MarkDeletedAndWait(target_, {}, version).status();
  }

  absl::Status CopyTable(const TableState& table) {
    const TablePosition there = target_.Position(table.table);
    const SequenceNumber mark = table.deleted_through;
    if (there.last == 0) {
      const absl::Status status = RestoreMarkAndWait(target_, table.table, mark, table.kind);
      if (!status.ok()) return status;
    } else if (there.deleted_through != mark) {
      return NotABeginning(table.table, absl::StrCat("is deleted through ", there.deleted_through,
                                                     " there, and through ", mark, " here"));
    } else if (there.kind.value_or(table.kind) != table.kind) {
      return NotABeginning(table.table,
                           absl::StrCat("is ", TableKindName(*there.kind), " there, and ",
                                        TableKindName(table.kind), " here"));
    } else if (there.last >= table.next) {
      return NotABeginning(table.table, absl::StrCat("has come to ", there.last + 1,
                                                     ", the source to ", table.next));
    }
    const absl::Status status = CopyRecords(table, std::max(there.last, mark) + 1);
    return status.ok() ? RestoreNextAndWait(target_, table.table, source_.NextNumber(table.table))
                       : status;
  }

  absl::Status CopyRecords(const TableState& table, SequenceNumber from) {
    if (from >= table.next) return absl::OkStatus();
    RestoreWriter writer(target_);
    TableReader walker(source_, table.table, from, skip_damaged_);
    absl::Status failed;
    for (bool more = true; more;) {
      const auto step = walker.Next([&](const RecordView& record) {
        if (!failed.ok()) return;
        failed = writer.Add(record.table, table.kind, record.sequence, record.payload);
        ++comparison_.result().copied_records;
        ++comparison_.seen().records;
        comparison_.seen().bytes += record.payload.size();
      });
      if (!failed.ok()) return failed;
      if (!step.ok()) return step.status();
      more = *step;
      const absl::Status status = comparison_.Report();
      if (!status.ok()) return status;
    }
    return writer.Flush();
  }

  const ReadableLog& source_;
  RegionLog& target_;
  const bool skip_damaged_;
  RegionComparison comparison_;
};

}  // namespace

absl::StatusOr<RegionCopyResult> CopyRegion(
    const ReadableLog& source, RegionLog& target, const RegionCopyOptions& options,
    absl::FunctionRef<bool(const RegionCopyProgress&)> progress) {
  return RegionCopier(source, target, options, progress).Run();
}

absl::StatusOr<RegionCopyResult> CompareRegion(
    const ReadableLog& source, const ReadableLog& target,
    absl::FunctionRef<bool(const RegionCopyProgress&)> progress) {
  const RegionDescription description = source.Describe();
  const uint64_t version_there = target.Describe().region_version;
  if (version_there != description.region_version) {
    return MakeError(absl::StatusCode::kFailedPrecondition, ErrorReason::kRestoreOutOfOrder,
                     absl::StrCat("the target's region version is ", version_there,
                                  ", the source's is ", description.region_version));
  }
  RegionComparison comparison(source, target, /*skip_damaged=*/false, progress);
  comparison.TakeDamage(description.opening.damaged);
  absl::Status status = comparison.CheckTables(description.tables);
  for (const TableState& table : description.tables) {
    if (status.ok()) status = comparison.Compare(table.table);
  }
  if (!status.ok()) return status;
  return std::move(comparison.result());
}

}  // namespace walden
