#include "config/combination_checks.h"

#include <map>
#include <set>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace walden {
namespace {

// A setting with its path, for messages.
struct Located {
  ByteSize value;
  std::string key;
};

class CombinationCheck {
 public:
  CombinationCheck(LoadedConfig& loaded, ConfigProblems& problems)
      : config_(loaded.config), origins_(loaded.origins), problems_(problems) {}

  void Run() {
    CheckListen();
    CheckNamespaces();
    CheckBatchLimits();
    CheckMemory();
    CheckEntryMemory();
    CheckTls();
    CheckBounds();
  }

 private:
  bool IsSet(const std::string& key) const { return origins_.count(key) > 0; }

  // The file's line, the variable or the option that set the key, or the nearest path around it
  // that was set.
  std::string Where(std::string key) const {
    for (;;) {
      const auto origin = origins_.find(key);
      if (origin != origins_.end()) return origin->second;
      const size_t cut = key.find_last_of(".[");
      if (cut == std::string::npos) break;
      key.resize(cut);
    }
    const auto everything = origins_.find("");
    return everything == origins_.end() ? "defaults" : everything->second;
  }

  void Add(const std::string& key, const std::string& what) {
    problems_.Add(Where(key), key, what);
  }

  void CheckListen() {
    if (problems_.Has("listen")) return;
    if (config_.listen.empty()) Add("listen", "needs at least one address");
    std::map<std::string, size_t> first;
    for (size_t i = 0; i < config_.listen.size(); ++i) {
      const std::string& address = config_.listen[i];
      const bool takes_free_port =
          !absl::StartsWith(address, "unix:") && absl::EndsWith(address, ":0");
      if (takes_free_port) continue;
      const auto [known, is_new] = first.emplace(address, i);
      if (is_new) continue;
      Add(absl::StrCat("listen[", i, "]"),
          absl::StrCat("\"", address, "\" is the same address as listen[", known->second, "]"));
    }
  }

  void CheckNamespaces() {
    if (config_.namespaces.empty() && !problems_.Has("namespaces")) {
      Add("namespaces", "needs at least one namespace");
    }
    std::map<NamespaceId, std::string> ids;
    std::map<std::string, std::string> names;
    bool all_names_known = true;
    for (size_t i = 0; i < config_.namespaces.size(); ++i) {
      const NamespaceConfig& space = config_.namespaces[i];
      const std::string path = absl::StrCat("namespaces[", i, "]");
      if (space.id == 0 || space.name.empty()) all_names_known = false;  // a problem was reported
      CheckUnique(ids, space.id, path, "id", space.id == 0);
      CheckUnique(names, space.name, path, "name", space.name.empty());
      CheckRegions(space, path);
    }
    if (all_names_known && !config_.namespaces.empty() && !problems_.Has("namespaces") &&
        !problems_.Has("default_namespace") && config_.DefaultNamespace() == nullptr) {
      Add("default_namespace",
          absl::StrCat("\"", config_.default_namespace, "\" is not among the namespaces; allowed: ",
                       absl::StrJoin(names, " or ", [](std::string* out, const auto& name) {
                         absl::StrAppend(out, name.first);
                       })));
    }
  }

  void CheckRegions(const NamespaceConfig& space, const std::string& space_path) {
    std::map<RegionId, std::string> ids;
    for (size_t i = 0; i < space.regions.size(); ++i) {
      const std::string path = absl::StrCat(space_path, ".regions[", i, "]");
      CheckUnique(ids, space.regions[i].id, path, "id",
                  problems_.Has(path) || problems_.Has(path + ".id"));
    }
  }

  template <typename Value>
  void CheckUnique(std::map<Value, std::string>& seen, const Value& value, const std::string& path,
                   absl::string_view field, bool skip) {
    if (skip) return;
    const auto [known, is_new] = seen.emplace(value, path);
    if (is_new) return;
    Add(absl::StrCat(path, ".", field),
        absl::StrCat("\"", value, "\" is the same ", field, " as ", known->second, ".", field, " (",
                     Where(absl::StrCat(known->second, ".", field)), ")"));
  }

  // The largest segment_size of all regions. Without a key if a namespace has no segments, which
  // puts no bound on a batch.
  Located LargestSegment() const {
    Located largest{ByteSize{0}, ""};
    const auto consider = [&](const RegionSettings& settings, const std::string& path) {
      const std::string key = absl::StrCat(path, ".segment_size");
      if (settings.segment_size > largest.value && !problems_.Has(key)) {
        largest = {settings.segment_size, key};
      }
    };
    for (size_t i = 0; i < config_.namespaces.size(); ++i) {
      if (config_.namespaces[i].engine != EngineKind::kSegment) return {};
      const std::string path = absl::StrCat("namespaces[", i, "]");
      consider(config_.namespaces[i].settings, path);
      for (size_t j = 0; j < config_.namespaces[i].regions.size(); ++j) {
        consider(config_.namespaces[i].regions[j].settings,
                 absl::StrCat(path, ".regions[", j, "]"));
      }
    }
    return largest;
  }

  // Lowers `value` to `bound` if `key` was not set; adds a problem if it was set higher.
  void Limit(ByteSize& value, const std::string& key, ByteSize bound,
             const std::string& bound_name) {
    if (value <= bound || problems_.Has(key)) return;
    if (!IsSet(key)) {
      value = bound;
      origins_[key] = absl::StrCat("lowered to ", bound_name);
      return;
    }
    Add(key, absl::StrCat("\"", FormatByteSize(value), "\" is above ", bound_name,
                          "; allowed: at most ", FormatByteSize(bound)));
  }

  // A batch is never split over segments. Half of a segment leaves room for its headers and bounds
  // the waste at a segment's end. Regions with smaller segments than the largest have a smaller
  // limit of their own, which the segment engine checks.
  void CheckBatchLimits() {
    LimitsConfig& limits = config_.limits;
    const Located segment = LargestSegment();
    if (!segment.key.empty()) {
      Limit(limits.max_batch_bytes, "limits.max_batch_bytes", ByteSize{segment.value.bytes / 2},
            absl::StrCat("half of ", segment.key, " (", FormatByteSize(segment.value), ", ",
                         Where(segment.key), ")"));
    }
    if (!problems_.Has("limits.max_batch_bytes")) {
      Limit(limits.max_payload_bytes, "limits.max_payload_bytes", limits.max_batch_bytes,
            "limits.max_batch_bytes");
    }
  }

  void CheckEntryMemory() {
    EntriesConfig& entries = config_.entries;
    Limit(entries.table_memory, "entries.table_memory", entries.total_memory,
          "entries.total_memory");
    if (problems_.Has("entries.table_memory")) return;
    Limit(entries.page_size, "entries.page_size", ByteSize{entries.table_memory.bytes / 2},
          "half of entries.table_memory");
    for (const char* const key : {"entries.table_memory", "entries.total_memory"}) {
      if (!IsSet(key)) continue;
      Need(key, entries.table_memory, "twice limits.max_batch_bytes",
           ByteSize{2 * config_.limits.max_batch_bytes.bytes},
           "so that the largest put can be held");
      break;
    }
  }

  void CheckTls() {
    TlsConfig& tls = config_.security.tls;
    const std::string certificate = "security.tls.certificate_file";
    const std::string key = "security.tls.key_file";
    const std::string authority = "security.tls.client_ca_file";
    const std::string clients = "security.tls.client_certificates";
    if (tls.certificate_file.empty() != tls.key_file.empty()) {
      Add(tls.key_file.empty() ? certificate : key,
          absl::StrCat("is set without ", tls.key_file.empty() ? key : certificate,
                       ": TLS needs both"));
    }
    if (!tls.client_ca_file.empty() && tls.certificate_file.empty()) {
      Add(authority, absl::StrCat("is set without ", certificate, ": there is no TLS"));
    }
    if (problems_.Has(clients)) return;
    if (!tls.client_ca_file.empty() && !IsSet(clients)) {
      tls.client_certificates = ClientCertificates::kRequired;
      origins_[clients] = absl::StrCat("because ", authority, " is set, ", Where(authority));
    }
    const bool verifies = tls.client_certificates != ClientCertificates::kNone;
    if (verifies && tls.client_ca_file.empty()) {
      Add(clients, absl::StrCat("needs ", authority, ": whose certificates are accepted?"));
    }
    if (!verifies && !tls.client_ca_file.empty()) {
      Add(clients, absl::StrCat("is none, but ", authority, " is set (", Where(authority), ")"));
    }
  }

  // Checks that each budget holds what one call takes from it at once.
  void CheckMemory() {
    const LimitsConfig& limits = config_.limits;
    Need("limits.mailbox_bytes", limits.mailbox_bytes, "limits.max_batch_bytes",
         limits.max_batch_bytes, "so that the largest batch can be accepted");
    Need("limits.receive_bytes", limits.receive_bytes, "twice limits.max_batch_bytes",
         ByteSize{2 * limits.max_batch_bytes.bytes}, "so that the largest batch can arrive");
    Need("limits.reader_bytes", limits.reader_bytes, "twice limits.read_chunk_bytes",
         ByteSize{2 * limits.read_chunk_bytes.bytes}, "so that one reader can be served");
  }

  // Refuses settings that a namespace's engine cannot keep.
  void CheckBounds() {
    for (size_t i = 0; i < config_.namespaces.size(); ++i) {
      const NamespaceConfig& space = config_.namespaces[i];
      const std::string path = absl::StrCat("namespaces[", i, "]");
      CheckQuota(space.engine, space.disk_quota, space.settings, path, "disk_quota");
      CheckRegionBounds(space.engine, space.settings, path, "region_disk_quota");
      for (size_t j = 0; j < space.regions.size(); ++j) {
        const std::string region = absl::StrCat(path, ".regions[", j, "]");
        CheckRegionBounds(space.engine, space.regions[j].settings, region, "disk_quota");
      }
    }
  }

  void CheckRegionBounds(EngineKind engine, const RegionSettings& settings, const std::string& path,
                         absl::string_view quota_name) {
    CheckQuota(engine, settings.disk_quota, settings, path, quota_name);
    if (engine != EngineKind::kRocksdb) return;
    const auto refuse = [&](absl::string_view name, absl::string_view why) {
      const std::string key = absl::StrCat(path, ".", name);
      if (IsSet(key) && !problems_.Has(key)) Add(key, absl::StrCat("engine rocksdb ", why));
    };
    if (settings.disk_quota.bytes > 0) {
      refuse(quota_name,
             "stores its regions in the same files and has no quota for one of them: set "
             "disk_quota for the namespace");
    }
    if (settings.retention_bytes.bytes > 0) {
      refuse("retention_bytes",
             "does not know how many bytes a region's records take: use retention_age or "
             "retention_records");
    }
  }

  // Checks that a quota holds one segment more than is in use, since a segment is made before an
  // earlier one can be removed.
  void CheckQuota(EngineKind engine, ByteSize quota, const RegionSettings& settings,
                  const std::string& path, absl::string_view name) {
    const std::string key = absl::StrCat(path, ".", name);
    const ByteSize least{2 * settings.segment_size.bytes};
    if (engine != EngineKind::kSegment || quota.bytes == 0 || quota >= least) return;
    if (problems_.Has(key) || problems_.Has(absl::StrCat(path, ".segment_size"))) return;
    Add(IsSet(key) ? key : absl::StrCat(path, ".segment_size"),
        absl::StrCat(name, " is ", FormatByteSize(quota),
                     " and must be 0 or at least twice segment_size (", FormatByteSize(least),
                     "), so that a new segment fits beside the one before it"));
  }

  void Need(const std::string& key, ByteSize value, const std::string& least_name, ByteSize least,
            absl::string_view why) {
    const std::string least_key = least_name.substr(least_name.rfind(' ') + 1);
    if (value >= least || problems_.Has(key) || problems_.Has(least_key)) return;
    // The problem names the budget if it was set, and otherwise the setting that needs it.
    Add(IsSet(key) ? key : least_key,
        absl::StrCat(key, " is ", FormatByteSize(value), " and must be at least ", least_name, " (",
                     FormatByteSize(least), ") ", why));
  }

  Config& config_;
  ConfigOrigins& origins_;
  ConfigProblems& problems_;
};

}  // namespace

void CheckCombinations(LoadedConfig& loaded, ConfigProblems& problems) {
  CombinationCheck(loaded, problems).Run();
}

absl::Status CheckCombinations(const Config& config) {
  LoadedConfig copy{.config = config, .origins = {{"", "beside what needs a restart"}}};
  ConfigProblems problems;
  CheckCombinations(copy, problems);
  return problems.ToStatus();
}

}  // namespace walden
