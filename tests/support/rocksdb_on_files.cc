#include "tests/support/rocksdb_on_files.h"

#include <utility>
#include <vector>

#include "engine/io/posix_file_system.h"
#include "engine/rocksdb/rocksdb_engine.h"
#include "tests/support/rocksdb_env_on_file_system.h"

namespace walden::testing {
namespace {

// An engine that brings the Env along that it stands on.
class RocksdbOnFiles final : public LogEngine {
 public:
  static absl::StatusOr<std::unique_ptr<LogEngine>> Open(FileSystem* files,
                                                         const std::string& directory,
                                                         const RocksdbOnFilesOptions& wanted) {
    const size_t slash = directory.rfind('/');
    RocksdbEngineOptions options;
    options.file_system = files;
    options.clock = wanted.clock;
    options.wall_clock = wanted.wall_clock;
    options.background = wanted.background;
    options.namespace_id = wanted.namespace_id;
    options.data_directory = directory.substr(0, slash);
    options.namespace_name = directory.substr(slash + 1);
    // Small, so that a test's records go through table files and compactions too.
    options.tuning = {.write_buffer_bytes = 48 << 10,
                      .max_total_wal_bytes = 256 << 10,
                      .block_cache_bytes = 64 << 10,
                      .reclaim_bytes = wanted.reclaim_bytes,
                      .reserve_bytes = 512 << 10};
    auto on_files = std::make_unique<RocksdbOnFiles>();
    if (files != PosixFileSystem()) {
      on_files->env_ = MakeRocksdbEnv(files);
      options.env = on_files->env_.get();
    }
    auto engine = RocksdbEngine::Open(std::move(options));
    if (!engine.ok()) return engine.status();
    on_files->engine_ = *std::move(engine);
    return on_files;
  }

  absl::string_view name() const override { return engine_->name(); }
  RecordOrder record_order() const override { return engine_->record_order(); }
  EngineUsage Usage() const override { return engine_->Usage(); }
  absl::StatusOr<std::vector<RegionId>> ListRegions() const override {
    return engine_->ListRegions();
  }
  void OpenRegion(RegionId region, const OpenRequest& request,
                  std::function<void(absl::StatusOr<std::unique_ptr<RegionLog>>)> done) override {
    engine_->OpenRegion(region, request, std::move(done));
  }
  void DropRegion(RegionId region, std::function<void(absl::StatusOr<bool>)> done) override {
    engine_->DropRegion(region, std::move(done));
  }
  TablePosition PositionInAbsentRegion(TableId table) const override {
    return engine_->PositionInAbsentRegion(table);
  }
  absl::Status CheckFitsNewRegion(const RegionOptions& options,
                                  const AppendBatch& batch) const override {
    return engine_->CheckFitsNewRegion(options, batch);
  }
  void KeepHouse() override { engine_->KeepHouse(); }
  absl::Status CountDiskUsage() override { return engine_->CountDiskUsage(); }
  absl::Status VerifyClosedRegion(
      RegionId region, absl::FunctionRef<bool(const VerifyProgress&)> report) const override {
    return engine_->VerifyClosedRegion(region, report);
  }

 private:
  std::unique_ptr<rocksdb::Env> env_;
  std::unique_ptr<RocksdbEngine> engine_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<LogEngine>> OpenRocksdbWith(FileSystem* files,
                                                           const std::string& directory,
                                                           const RocksdbOnFilesOptions& options) {
  return RocksdbOnFiles::Open(files, directory, options);
}

}  // namespace walden::testing
