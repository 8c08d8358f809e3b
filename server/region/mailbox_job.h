// The jobs of a region's mailbox. Each is a node of an intrusive list and owned by its poster.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/memory_budget.h"
#include "engine/entry/region_entry_tables.h"
#include "engine/log_engine.h"
#include "engine/types.h"
#include "server/limits/tenant.h"

namespace walden {

// A job is posted once and answered exactly once, and is not moved in between. Its poster keeps it
// alive until OnAnswered, which may delete it.
class MailboxJob {
 public:
  enum class Kind {
    kAppend,
    kOpenProducer,
    kMarkDeleted,
    kFence,
    kSync,
    kNoteDurable,
    kAcquire,
    kRelease
  };

  MailboxJob(const MailboxJob&) = delete;
  MailboxJob& operator=(const MailboxJob&) = delete;
  virtual ~MailboxJob() = default;

  // The job is done. On any thread, no lock held; must not block.
  virtual void OnAnswered() = 0;

  // OK while the client waits for the answer; otherwise CANCELLED or DEADLINE_EXCEEDED: then an append is
  // not written, and no log is taken over for the job. Any thread; must not block.
  virtual absl::Status Abandoned() const { return absl::OkStatus(); }

  // Whether the log may be taken over for the job.
  virtual bool MayAcquire() const { return true; }

  // Answers it with an error, or as a job to a region that does not exist. Gives back its bytes.
  void AnswerRefused(const absl::Status& status);
  void AnswerAbsent();
  // Answers it with the result that was set, and gives back its bytes.
  void Answer();

  Kind kind() const { return kind_; }

 protected:
  explicit MailboxJob(Kind kind) : kind_(kind) {}

 private:
  friend class AppendAdmission;
  friend class JobList;
  friend class RegionRegistry;

  virtual void SetRefused(const absl::Status& status) = 0;
  virtual void SetAbsent() = 0;

  const Kind kind_;
  MailboxJob* next_ = nullptr;
  // Bytes that it holds of the mailbox budget and of its tenant's.
  MemoryBudget* charged_to_ = nullptr;
  Tenant* charged_tenant_ = nullptr;
  uint64_t charged_bytes_ = 0;
  // The number of jobs that it is one of until it is answered.
  std::atomic<uint64_t>* counted_in_ = nullptr;
};

class AppendJob : public MailboxJob {
 public:
  AppendJob() : MailboxJob(Kind::kAppend) {
    batch.is_wanted = [this] { return Abandoned(); };
  }

  AppendBatch batch;                 // with the answer
  uint64_t payload_bytes = 0;        // of all payloads; set by the poster
  Tenant* tenant = nullptr;          // of the caller; null: no limits apply
  bool was_slowed = false;           // its stream is not read while a bound is reached
  std::string encoded;               // the payloads point into it, or into the request
  entry::Reservations entry_memory;  // taken for a batch of entries; the actor's
  absl::Status fits_no_region;       // why no region is made for it; the registry's

 private:
  void SetRefused(const absl::Status& status) override;
  void SetAbsent() override;
};

class OpenProducerJob : public MailboxJob {
 public:
  OpenProducerJob() : MailboxJob(Kind::kOpenProducer) {}

  std::optional<uint64_t> region_version;
  absl::StatusOr<uint64_t> result = 0;

 private:
  void SetRefused(const absl::Status& status) override { result = status; }
  void SetAbsent() override;
};

class MarkDeletedJob : public MailboxJob {
 public:
  // Marks of one job. They share a sync, and appends wait for them.
  static constexpr size_t kMaxMarks = 128;

  MarkDeletedJob() : MailboxJob(Kind::kMarkDeleted) {}

  std::vector<TableMark> marks;  // each table once
  std::optional<uint64_t> region_version;
  // Of an entry log: one mark, through the id of a flush.
  TableKind table_kind = TableKind::kLog;
  // The marks of the tables, in their order. After an error each of them may be made or not.
  absl::StatusOr<std::vector<SequenceNumber>> result = std::vector<SequenceNumber>();
  // The positions of the tables after the marks, in their order. None for a region that does not
  // exist, nor after an error.
  std::vector<TablePosition> positions;

 private:
  void SetRefused(const absl::Status& status) override { result = status; }
  void SetAbsent() override {
    result = std::vector<SequenceNumber>(marks.size(), 0);
    positions.clear();
  }
};

// Raises the region version.
class FenceJob : public MailboxJob {
 public:
  FenceJob() : MailboxJob(Kind::kFence) {}

  uint64_t region_version = 0;
  absl::Status result;

 private:
  void SetRefused(const absl::Status& status) override { result = status; }
  void SetAbsent() override;
};

class SyncJob : public MailboxJob {
 public:
  SyncJob() : MailboxJob(Kind::kSync) {}

  absl::Status result;

 private:
  void SetRefused(const absl::Status& status) override { result = status; }
  void SetAbsent() override { result = absl::OkStatus(); }
};

// Calls RegionLog::NoteDurable. No call waits for it.
class NoteDurableJob : public MailboxJob {
 public:
  NoteDurableJob() : MailboxJob(Kind::kNoteDurable) {}

 private:
  void SetRefused(const absl::Status&) override {}
  void SetAbsent() override {}
};

// Calls RegionLog::Acquire. A region that does not exist is nobody's.
class AcquireJob : public MailboxJob {
 public:
  AcquireJob() : MailboxJob(Kind::kAcquire) {}

  AcquireRequest request;
  absl::Status result;

 private:
  void SetRefused(const absl::Status& status) override { result = status; }
  void SetAbsent() override { result = absl::OkStatus(); }
};

// Calls RegionLog::Release.
class ReleaseJob : public MailboxJob {
 public:
  ReleaseJob() : MailboxJob(Kind::kRelease) {}

  absl::Status result;

 private:
  void SetRefused(const absl::Status& status) override { result = status; }
  void SetAbsent() override { result = absl::OkStatus(); }
};

// The region version that the job asks with; none for jobs that change nothing.
std::optional<uint64_t> RegionVersionOf(const MailboxJob& job);

// Whether only the owner of a log can do the job.
bool NeedsOwner(const MailboxJob& job);

// Jobs in the order they came. Not synchronised.
class JobList {
 public:
  bool empty() const { return head_ == nullptr; }
  MailboxJob* front() const { return head_; }

  void PushBack(MailboxJob* job) {
    job->next_ = nullptr;
    if (head_ == nullptr) {
      head_ = job;
    } else {
      tail_->next_ = job;
    }
    tail_ = job;
  }

  MailboxJob* PopFront() {
    MailboxJob* job = head_;
    if (job != nullptr) head_ = job->next_;
    return job;
  }

  // The next job of the list; null after the last.
  static MailboxJob* Next(const MailboxJob* job) { return job->next_; }

  // Moves all jobs of `other` to the end of this list.
  void Splice(JobList& other) {
    if (other.empty()) return;
    if (head_ == nullptr) {
      head_ = other.head_;
    } else {
      tail_->next_ = other.head_;
    }
    tail_ = other.tail_;
    other.head_ = nullptr;
  }

 private:
  MailboxJob* head_ = nullptr;
  MailboxJob* tail_ = nullptr;
};

}  // namespace walden
