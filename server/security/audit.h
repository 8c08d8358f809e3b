// Records denied calls and administrative calls.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "base/clock.h"

namespace walden {

// One line of the audit.
struct AuditEntry {
  std::string peer;      // as gRPC writes it: "ipv4:10.0.0.7:51234", "unix:"
  std::string identity;  // empty: not recognised, or no identities file
  std::string method;    // "AdminService.DropRegion"
  // As the request names them; empty if it names none, or was refused before they were read.
  std::string namespace_id;
  std::string region;
  absl::Status outcome;
  uint64_t left_out = 0;  // denials of the peer since its last line
};

// Receives the lines. Any thread; must not block for long.
class AuditSink {
 public:
  virtual ~AuditSink() = default;
  virtual void OnDenied(const AuditEntry& entry) = 0;
  virtual void OnAdminCall(const AuditEntry& entry) = 0;
  // Reports denials of a peer that no later line will count.
  virtual void OnDenialsLeftOut(absl::string_view peer, uint64_t count) = 0;
};

// Passes every administrative call to the sink, and a bounded number of denials per peer: ten at
// once, then one every ten seconds. The others are counted. A peer is a host, whatever its port. At
// most kMaxPeers peers are told apart; all others share the bound of one. Any thread.
class Audit {
 public:
  static constexpr uint64_t kBurst = 10;
  static constexpr absl::Duration kInterval = absl::Seconds(10);
  static constexpr size_t kMaxPeers = 1024;

  // Both outlive this.
  Audit(AuditSink* sink, const Clock* clock) : sink_(sink), clock_(clock) {}

  void Denied(AuditEntry entry) ABSL_LOCKS_EXCLUDED(mutex_);
  void AdminCall(const AuditEntry& entry) { sink_->OnAdminCall(entry); }

  // Reports the left-out denials of peers that are quiet again, and forgets these peers. To be
  // called regularly; does something at most once a second.
  void Tick() ABSL_LOCKS_EXCLUDED(mutex_);

  // Since the start.
  uint64_t left_out() const { return left_out_.load(std::memory_order_relaxed); }

 private:
  struct Peer {
    uint64_t tokens = kBurst;
    absl::Duration refilled;  // by the clock
    uint64_t left_out = 0;
  };

  AuditSink* const sink_;
  const Clock* const clock_;
  std::atomic<uint64_t> left_out_{0};
  absl::Mutex mutex_;
  absl::Duration looked_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<std::string, Peer> peers_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace walden
