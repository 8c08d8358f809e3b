#include "server/net/http_server.h"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/error.h"

namespace walden {
namespace {

// A client may still be sending after it was answered. Closing at once could discard the answer.
constexpr absl::Duration kLinger = absl::Seconds(1);
constexpr size_t kLingerBytes = size_t{1} << 20;
constexpr int kAcceptsAtOnce = 64;
constexpr absl::Duration kRetryAccept = absl::Milliseconds(100);

absl::Duration Now() { return Clock::Real()->Now(); }

bool WouldBlock() { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; }

HttpResponse Plain(int code, absl::string_view text) {
  return {.code = code, .body = absl::StrCat(text, "\n")};
}

}  // namespace

absl::StatusOr<std::unique_ptr<HttpServer>> HttpServer::Start(HttpServerOptions options,
                                                              Routes routes) {
  std::unique_ptr<HttpServer> server(new HttpServer(std::move(options), std::move(routes)));
  for (const std::string& address : server->options_.listen) {
    auto listeners = ListeningSocket::Open(address, "metrics.listen");
    if (!listeners.ok()) return listeners.status();
    server->addresses_.push_back(listeners->front()->address());
    std::move(listeners->begin(), listeners->end(), std::back_inserter(server->listeners_));
  }
  server->wakeup_ = Descriptor(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (server->wakeup_.get() < 0) {
    return MakeError(absl::StatusCode::kUnavailable, ErrorReason::kIoError,
                     absl::StrCat("eventfd: ", std::strerror(errno)));
  }
  server->loop_ = std::thread([server = server.get()] { server->Run(); });
  pthread_setname_np(server->loop_.native_handle(), "http");
  server->worker_ = std::thread([server = server.get()] { server->RunWorker(); });
  pthread_setname_np(server->worker_.native_handle(), "http-slow");
  return server;
}

HttpServer::HttpServer(HttpServerOptions options, Routes routes)
    : options_(std::move(options)),
      host_names_(options_.listen, options_.hosts),
      routes_(std::move(routes)) {}

HttpServer::~HttpServer() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  if (loop_.joinable()) {
    Wake();
    loop_.join();
  }
  if (worker_.joinable()) worker_.join();
}

void HttpServer::Wake() {
  const uint64_t one = 1;
  // The write fails only when the counter is full, and then the thread wakes up in any case.
  (void)!write(wakeup_.get(), &one, sizeof(one));
}

// ---------------------------------------------------------------------------------------------------
// The thread that reads and writes

void HttpServer::Run() {
  std::vector<pollfd> polled;
  std::vector<uint64_t> ids;
  while (true) {
    {
      absl::MutexLock lock(&mutex_);
      if (stopping_) return;
    }
    polled = {{wakeup_.get(), POLLIN, 0}};
    const bool accepts = Now() >= accept_again_;
    for (const auto& listener : listeners_) {
      polled.push_back({listener->descriptor(), static_cast<short>(accepts ? POLLIN : 0), 0});
    }
    ids.clear();
    for (const auto& [id, connection] : connections_) {
      short events = POLLIN;
      if (connection.phase == Phase::kWorking) events = 0;
      if (connection.phase == Phase::kWriting) events = POLLOUT;
      polled.push_back({connection.socket.get(), events, 0});
      ids.push_back(id);
    }
    poll(polled.data(), polled.size(), WaitForWork());
    if (polled[0].revents != 0) TakeDone();
    const size_t first = 1 + listeners_.size();
    for (size_t i = 0; i < ids.size(); ++i) {
      if (polled[first + i].revents == 0) continue;
      const auto found = connections_.find(ids[i]);
      if (found != connections_.end() && !Advance(ids[i], found->second)) Forget(ids[i]);
    }
    CloseOverdue();
    for (size_t i = 0; i < listeners_.size(); ++i) {
      if (polled[1 + i].revents == 0) continue;
      for (int n = 0; n < kAcceptsAtOnce && Accept(polled[1 + i].fd); ++n) {
      }
    }
  }
}

int HttpServer::WaitForWork() {
  const absl::Duration now = Now();
  absl::Duration next = absl::Seconds(60);
  if (accept_again_ > now) next = accept_again_ - now;
  for (const auto& [id, connection] : connections_) {
    next = std::min(next, std::max(connection.deadline - now, absl::ZeroDuration()));
  }
  return static_cast<int>(absl::ToInt64Milliseconds(next)) + 1;
}

bool HttpServer::Accept(int listener) {
  Descriptor socket(accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (socket.get() < 0) {
    // There is no file descriptor for the connection. It waits until there is one.
    if (!WouldBlock() && errno != ECONNABORTED) accept_again_ = Now() + kRetryAccept;
    return false;
  }
  MakeRoom();
  Connection connection;
  connection.socket = std::move(socket);
  connection.deadline = Now() + options_.request_timeout;
  connections_.emplace(next_id_++, std::move(connection));
  return true;
}

// Closes the oldest connection of the least worth. Connections with a request are worth more than
// those without.
void HttpServer::MakeRoom() {
  while (connections_.size() >= options_.max_connections) {
    const auto least = std::min_element(
        connections_.begin(), connections_.end(), [](const auto& a, const auto& b) {
          constexpr std::array<int, 4> kWorth = {1, 3, 2, 0};  // by phase
          return kWorth[static_cast<size_t>(a.second.phase)] <
                 kWorth[static_cast<size_t>(b.second.phase)];
        });
    // Its request may have arrived by now.
    const bool may_have_asked = least->second.phase == Phase::kReading;
    const bool goes_on = may_have_asked && Advance(least->first, least->second) &&
                         least->second.phase != Phase::kReading;
    if (!goes_on) Forget(least->first);
  }
}

void HttpServer::CloseOverdue() {
  const absl::Duration now = Now();
  std::vector<uint64_t> overdue;
  for (const auto& [id, connection] : connections_) {
    if (connection.phase != Phase::kWorking && connection.deadline <= now) overdue.push_back(id);
  }
  for (const uint64_t id : overdue) Forget(id);
}

void HttpServer::Forget(uint64_t id) {
  connections_.erase(id);
  absl::MutexLock lock(&mutex_);
  const auto waits = std::find_if(work_.begin(), work_.end(),
                                  [id](const Work& work) { return work.connection == id; });
  if (waits != work_.end()) work_.erase(waits);
}

void HttpServer::TakeDone() {
  uint64_t count = 0;
  (void)!read(wakeup_.get(), &count, sizeof(count));  // only resets it
  std::vector<Done> done;
  {
    absl::MutexLock lock(&mutex_);
    done.swap(done_);
  }
  for (Done& one : done) {
    const auto found = connections_.find(one.connection);
    if (found == connections_.end()) continue;
    if (!Respond(found->second, std::move(one.response))) Forget(one.connection);
  }
}

bool HttpServer::Advance(uint64_t id, Connection& connection) {
  switch (connection.phase) {
    case Phase::kReading:
      return Read(id, connection);
    case Phase::kWorking:
      return false;  // it hung up
    case Phase::kWriting:
      return Write(connection);
    case Phase::kLingering:
      return Linger(connection);
  }
  return false;
}

bool HttpServer::Read(uint64_t id, Connection& connection) {
  std::array<char, 4096> piece;
  const ssize_t got = recv(connection.socket.get(), piece.data(), piece.size(), 0);
  if (got < 0) return WouldBlock();
  if (got == 0) return false;
  connection.received.append(piece.data(), static_cast<size_t>(got));
  if (IsWholeRequest(connection.received)) return Handle(id, connection);
  if (connection.received.size() <= options_.max_request_bytes) return true;
  return Respond(connection,
                 FormatHttpResponse(Plain(431, absl::StrCat("a request's header may have ",
                                                            options_.max_request_bytes, " bytes")),
                                    /*head=*/false));
}

bool HttpServer::Handle(uint64_t id, Connection& connection) {
  HttpResponse refused;
  std::optional<HttpRequest> request = ParseHttpRequest(connection.received, &refused);
  if (!request.has_value()) return Respond(connection, FormatHttpResponse(refused, /*head=*/false));
  if (!host_names_.Allows(request->host)) {
    return Respond(connection,
                   FormatHttpResponse(Plain(421,
                                            "the Host header does not name this daemon: use an IP "
                                            "address, or add the name to metrics.hosts"),
                                      request->head));
  }
  const auto route = routes_.find(request->path);
  if (route == routes_.end()) {
    return Respond(connection,
                   FormatHttpResponse(Plain(404, "no page has this path"), request->head));
  }
  if (route->second.speed == Speed::kQuick) {
    return Respond(connection, FormatHttpResponse(route->second.handler(*request), request->head));
  }
  connection.phase = Phase::kWorking;
  connection.deadline = absl::InfiniteDuration();
  absl::MutexLock lock(&mutex_);
  work_.push_back({id, &route->second, *std::move(request)});
  return true;
}

bool HttpServer::Respond(Connection& connection, std::string response) {
  connection.phase = Phase::kWriting;
  connection.response = std::move(response);
  connection.deadline = Now() + options_.response_timeout;
  return Write(connection);
}

bool HttpServer::Write(Connection& connection) {
  const absl::string_view left = absl::string_view(connection.response).substr(connection.sent);
  const ssize_t sent =
      send(connection.socket.get(), left.data(), left.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent < 0) return WouldBlock();
  connection.sent += static_cast<size_t>(sent);
  if (connection.sent < connection.response.size()) return true;
  if (shutdown(connection.socket.get(), SHUT_WR) != 0) return false;
  connection.phase = Phase::kLingering;
  connection.deadline = Now() + kLinger;
  connection.response = {};
  return true;
}

bool HttpServer::Linger(Connection& connection) {
  std::array<char, 16384> piece;
  const ssize_t got = recv(connection.socket.get(), piece.data(), piece.size(), 0);
  if (got < 0) return WouldBlock();
  connection.discarded += static_cast<size_t>(got);
  return got > 0 && connection.discarded < kLingerBytes;
}

// ---------------------------------------------------------------------------------------------------
// The thread of the slow handlers

void HttpServer::RunWorker() {
  while (true) {
    Work work;
    {
      absl::MutexLock lock(&mutex_);
      mutex_.Await(absl::Condition(this, &HttpServer::HasWork));
      if (stopping_) return;
      work = std::move(work_.front());
      work_.pop_front();
    }
    std::string response = FormatHttpResponse(work.route->handler(work.request), work.request.head);
    {
      absl::MutexLock lock(&mutex_);
      done_.push_back({work.connection, std::move(response)});
    }
    Wake();
  }
}

}  // namespace walden
