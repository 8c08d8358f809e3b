#include "server/net/connection_acceptor.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/error.h"

namespace walden {
namespace {

constexpr absl::Duration kTellEvery = absl::Seconds(10);
constexpr absl::Duration kCountEvery = absl::Milliseconds(20);
constexpr absl::Duration kWaitForFiles = absl::Milliseconds(100);

ino_t SocketInode(int descriptor) {
  struct stat info = {};
  return ::fstat(descriptor, &info) == 0 && S_ISSOCK(info.st_mode) ? info.st_ino : 0;
}

}  // namespace

ConnectionAcceptor::ConnectionAcceptor(uint64_t max_connections, OnRefused on_refused)
    : on_refused_(std::move(on_refused)), max_connections_(max_connections) {}

ConnectionAcceptor::~ConnectionAcceptor() { Stop(); }

void ConnectionAcceptor::Add(std::unique_ptr<ListeningSocket> socket, HandOver hand_over) {
  doors_.push_back({std::move(socket), std::move(hand_over)});
}

absl::Status ConnectionAcceptor::Start() {
  stop_event_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (stop_event_ < 0) {
    return MakeError(absl::StatusCode::kUnavailable, ErrorReason::kIoError,
                     absl::StrCat("cannot accept connections: eventfd: ", std::strerror(errno)));
  }
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), "acceptor");
    Run();
  });
  return absl::OkStatus();
}

void ConnectionAcceptor::Stop() {
  if (thread_.joinable()) {
    const uint64_t one = 1;
    // It cannot fail: the counter is far from its end.
    (void)!::write(stop_event_, &one, sizeof(one));
    thread_.join();
  }
  doors_.clear();
  if (stop_event_ >= 0) ::close(std::exchange(stop_event_, -1));
}

void ConnectionAcceptor::Run() {
  std::vector<pollfd> events;
  for (const Door& door : doors_) events.push_back({door.socket->descriptor(), POLLIN, 0});
  events.push_back({stop_event_, POLLIN, 0});
  while (events.back().revents == 0) {
    if (::poll(events.data(), events.size(), -1) < 0 && errno != EINTR) {
      Tell(MakeError(absl::StatusCode::kUnavailable, ErrorReason::kIoError,
                     absl::StrCat("poll: ", std::strerror(errno))));
      WaitFor(kWaitForFiles);
      continue;
    }
    for (size_t i = 0; i < doors_.size(); ++i) {
      // One connection of each socket in turn, so that no address starves the others.
      if (events[i].revents != 0) AcceptOne(doors_[i]);
    }
  }
}

void ConnectionAcceptor::WaitFor(absl::Duration time) const {
  pollfd stop = {stop_event_, POLLIN, 0};
  ::poll(&stop, 1, static_cast<int>(absl::ToInt64Milliseconds(time)));
}

void ConnectionAcceptor::AcceptOne(const Door& door) {
  const int descriptor =
      ::accept4(door.socket->descriptor(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (descriptor < 0) {
    const int error = errno;
    if (error == EAGAIN || error == EINTR || error == ECONNABORTED) return;
    // The usual cause is too many open files. The connection waits until some are closed.
    Tell(MakeError(absl::StatusCode::kResourceExhausted, ErrorReason::kTooManyFiles,
                   absl::StrCat("connections wait: accept on ", door.socket->address(), ": ",
                                std::strerror(error))));
    WaitFor(kWaitForFiles);
    return;
  }
  if (!HasRoom()) {
    refused_.fetch_add(1, std::memory_order_relaxed);
    Tell(MakeError(
        absl::StatusCode::kResourceExhausted, ErrorReason::kLimitExceeded,
        absl::StrCat("connections are closed as they come: ", max_connections(), " are open"),
        {{"field", "limits.max_connections"}, {"limit", absl::StrCat(max_connections())}}));
    ::close(descriptor);
    return;
  }
  if (door.socket->is_tcp()) {
    const int on = 1;
    // The connection also works without it, but slower.
    (void)::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  }
  {
    absl::MutexLock lock(&mutex_);
    connections_.push_back({descriptor, SocketInode(descriptor)});
  }
  door.hand_over(descriptor);
}

bool ConnectionAcceptor::HasRoom() {
  const uint64_t limit = max_connections();
  const absl::Time now = absl::Now();
  absl::MutexLock lock(&mutex_);
  // Without a limit the list must be bounded, too.
  if (connections_.size() >= (limit == 0 ? 1024 : limit) && now - last_count_ >= kCountEvery) {
    last_count_ = now;
    ForgetClosed();
  }
  return limit == 0 || connections_.size() < limit;
}

uint64_t ConnectionAcceptor::open_connections() const {
  absl::MutexLock lock(&mutex_);
  ForgetClosed();
  return connections_.size();
}

void ConnectionAcceptor::ForgetClosed() const {
  connections_.erase(std::remove_if(connections_.begin(), connections_.end(),
                                    [](const HandedOver& connection) {
                                      return SocketInode(connection.descriptor) != connection.inode;
                                    }),
                     connections_.end());
}

void ConnectionAcceptor::Tell(const absl::Status& why) {
  const uint64_t refused = refused_connections();
  const absl::Time now = absl::Now();
  if (on_refused_ == nullptr || now - last_told_ < kTellEvery) return;
  on_refused_(refused - told_refused_, why);
  told_refused_ = refused;
  last_told_ = now;
}

}  // namespace walden
