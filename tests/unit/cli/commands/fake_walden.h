// A daemon in this process: its services over one unix socket, logs in memory, faults on demand.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "grpcpp/server.h"
#include "walden/v1/admin.grpc.pb.h"
#include "walden/v1/entry.grpc.pb.h"
#include "walden/v1/wal.grpc.pb.h"

namespace walden::cli {

grpc::Status RefusalOf(grpc::StatusCode code, const std::string& reason,
                       const std::map<std::string, std::string>& metadata = {});

// Any thread.
class FakeWalden {
 public:
  FakeWalden();
  ~FakeWalden();

  std::string address() const { return "unix:" + directory_ + "/socket"; }

  // Stops listening, as a daemon that was killed, and forgets nothing.
  void Stop();
  void Start();

  // --- What is stored ---
  std::vector<std::string> Payloads(uint64_t region, uint64_t table) const;
  std::vector<int> BatchSizes() const;    // of every batch stored, in order
  std::vector<int> MessageSizes() const;  // batches of every message of AppendStream, in order
  v1::AppendRequest last_request() const;
  v1::MarkDeletedRequest last_marks() const;
  std::vector<v1::Entry> Entries() const;  // of all puts, in order
  bool HasRegion(uint64_t region) const;
  void AddRecords(uint64_t region, uint64_t table, const std::vector<std::string>& payloads,
                  absl::Time appended = absl::UnixEpoch());
  uint64_t OpenProducer();                                                  // 77, 78, ...
  uint64_t MarkDeleted(uint64_t region, uint64_t table, uint64_t through);  // the mark after it
  bool DropRegion(uint64_t region);                                         // whether it existed

  // --- Faults and answers, set before a test talks to it ---
  // The stream breaks after this many batches were stored in it, the last one without its answer.
  void BreakStreamsAfter(int batches, int times);
  void RefuseNextAppends(int count, const grpc::Status& status);
  void RefuseAppendsFromBatch(int batch, const grpc::Status& status);
  void SetLimits(uint64_t batch_records, uint64_t batch_bytes, uint64_t payload_bytes);
  void DamageRegion(uint64_t region);
  // The first message of each AppendStream is answered together with the second one.
  void HoldFirstAnswers();
  // Each is listed on a page of its own.
  void SetNamespaces(const std::vector<std::string>& names);
  // Of the oldest live record of every region.
  void SetOldestAppended(absl::Time time);
  // Lists one more region, which could not be opened.
  void AddBrokenRegion();
  // Of every stream that ends with a summary.
  enum class StreamFault { kNone, kNoSummary, kWrongCount };
  void SetStreamFault(StreamFault fault);
  // Called before a table is recovered, with its id.
  void SetBeforeRecover(std::function<void(uint64_t table)> before);
  void SetServing(bool serving);

  // Until so many heartbeats were sent to one reader; false if that takes a minute.
  bool AwaitHeartbeats(int count) const;

  // Until its health was asked for this often; false if that takes a minute.
  bool AwaitHealthQuestions(int count) const;

 private:
  class Wal;
  class Entry;
  class Admin;
  class Health;
  using TableKey = std::pair<uint64_t, uint64_t>;  // region, table
  struct Table {
    std::vector<v1::LogRecord> records;
    std::map<uint64_t, absl::Time> append_times;  // by sequence
    uint64_t deleted_through = 0;
  };

  static std::vector<std::unique_ptr<grpc::Service>> MakeServices(FakeWalden& fake);
  grpc::Status Append(const v1::AppendRequest& request, v1::AppendResponse* response);
  grpc::Status Store(const v1::AppendRequest& request, absl::Time time,
                     v1::AppendResponse* response) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // FENCED if the region has seen a higher version; else remembers it.
  grpc::Status TakeVersion(uint64_t region, uint64_t version) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The number of the first record that was appended at this time or later.
  uint64_t FirstSince(TableKey key, absl::Time time) const ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  v1::TablePosition Position(TableKey key) const ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  void FillState(TableKey key, v1::TableState& state) const ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  bool TakeStreamBreak(int stored_in_stream);

  std::string directory_;
  const std::vector<std::unique_ptr<grpc::Service>> services_;
  std::unique_ptr<grpc::Server> server_;

  mutable absl::Mutex mutex_;
  std::map<TableKey, Table> tables_ ABSL_GUARDED_BY(mutex_);
  std::map<uint64_t, uint64_t> next_sequences_ ABSL_GUARDED_BY(mutex_);  // by region
  // By id, by number.
  std::map<uint64_t, std::map<uint64_t, v1::AppendResponse>> producers_ ABSL_GUARDED_BY(mutex_);
  std::vector<int> batch_sizes_ ABSL_GUARDED_BY(mutex_);
  std::vector<int> message_sizes_ ABSL_GUARDED_BY(mutex_);
  bool holds_first_answers_ ABSL_GUARDED_BY(mutex_) = false;
  std::map<uint64_t, uint64_t> versions_ ABSL_GUARDED_BY(mutex_);  // by region
  v1::MarkDeletedRequest last_marks_ ABSL_GUARDED_BY(mutex_);
  std::vector<v1::Entry> entries_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> namespaces_ ABSL_GUARDED_BY(mutex_) = {"default"};
  v1::AppendRequest last_request_ ABSL_GUARDED_BY(mutex_);
  int break_after_ ABSL_GUARDED_BY(mutex_) = 0;
  int breaks_left_ ABSL_GUARDED_BY(mutex_) = 0;
  int refusals_left_ ABSL_GUARDED_BY(mutex_) = 0;
  int accepted_before_refusals_ ABSL_GUARDED_BY(mutex_) = 0;
  grpc::Status refusal_ ABSL_GUARDED_BY(mutex_);
  v1::GetServerInfoResponse info_ ABSL_GUARDED_BY(mutex_);
  std::map<uint64_t, bool> damaged_ ABSL_GUARDED_BY(mutex_);
  absl::Time oldest_appended_ ABSL_GUARDED_BY(mutex_) = absl::UnixEpoch();
  bool has_broken_region_ ABSL_GUARDED_BY(mutex_) = false;
  StreamFault stream_fault_ ABSL_GUARDED_BY(mutex_) = StreamFault::kNone;
  std::function<void(uint64_t)> before_recover_ ABSL_GUARDED_BY(mutex_);
  bool serving_ ABSL_GUARDED_BY(mutex_) = true;
  int heartbeats_ ABSL_GUARDED_BY(mutex_) = 0;
  int health_questions_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace walden::cli
