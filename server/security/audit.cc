#include "server/security/audit.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/match.h"

namespace walden {
namespace {

// The host of a peer without its port, which changes with each connection. "unix:" for all peers of
// unix sockets.
std::string PeerHost(const std::string& peer) {
  if (absl::StartsWith(peer, "unix")) return "unix:";
  return peer.substr(0, peer.rfind(':'));
}

constexpr char kOtherPeers[] = "others";

}  // namespace

void Audit::Denied(AuditEntry entry) {
  {
    absl::MutexLock lock(&mutex_);
    std::string host = PeerHost(entry.peer);
    if (peers_.size() >= kMaxPeers && !peers_.contains(host)) host = kOtherPeers;
    const absl::Duration now = clock_->Now();
    const auto [found, is_new] = peers_.try_emplace(std::move(host));
    Peer& peer = found->second;
    if (is_new) peer.refilled = now;
    const int64_t earned = (now - peer.refilled) / kInterval;
    peer.tokens = std::min<uint64_t>(kBurst, peer.tokens + static_cast<uint64_t>(earned));
    peer.refilled += earned * kInterval;
    if (peer.tokens == 0) {
      ++peer.left_out;
      left_out_.fetch_add(1, std::memory_order_relaxed);
      return;
    }
    --peer.tokens;
    entry.left_out = std::exchange(peer.left_out, 0);
  }
  sink_->OnDenied(entry);
}

void Audit::Tick() {
  std::vector<std::pair<std::string, uint64_t>> told;
  {
    absl::MutexLock lock(&mutex_);
    const absl::Duration now = clock_->Now();
    if (now - looked_ < absl::Seconds(1)) return;
    looked_ = now;
    for (auto peer = peers_.begin(); peer != peers_.end();) {
      const auto current = peer++;
      const absl::Duration quiet = now - current->second.refilled;
      if (current->second.left_out > 0 && quiet >= 2 * kInterval) {
        told.emplace_back(current->first, std::exchange(current->second.left_out, 0));
      }
      if (quiet >= kBurst * kInterval) peers_.erase(current);
    }
  }
  for (const auto& [peer, count] : told) sink_->OnDenialsLeftOut(peer, count);
}

}  // namespace walden
