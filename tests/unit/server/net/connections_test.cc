#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/synchronization/mutex.h"
#include "base/error.h"
#include "server/net/connection_acceptor.h"
#include "server/net/listening_socket.h"

namespace walden {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

class ConnectionsTest : public ::testing::Test {
 protected:
  ConnectionsTest() {
    std::string folder = "/tmp/walden_connections_test.XXXXXX";
    EXPECT_NE(mkdtemp(folder.data()), nullptr);
    folder_ = folder;
  }
  ~ConnectionsTest() override {
    for (const int descriptor : clients_) ::close(descriptor);
    std::filesystem::remove_all(folder_);
  }

  std::string UnixPath() const { return folder_ + "/socket"; }
  std::string UnixAddress() const { return "unix:" + UnixPath(); }

  static std::unique_ptr<ListeningSocket> MustOpen(const std::string& address) {
    auto sockets = ListeningSocket::Open(address);
    EXPECT_TRUE(sockets.ok()) << sockets.status();
    if (!sockets.ok()) return nullptr;
    EXPECT_FALSE(sockets->empty());
    return std::move(sockets->front());
  }

  // 0 or an errno.
  int Connect() {
    sockaddr_un name = {};
    name.sun_family = AF_UNIX;
    std::strncpy(name.sun_path, UnixPath().c_str(), sizeof(name.sun_path) - 1);
    const int descriptor = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    clients_.push_back(descriptor);
    return ::connect(descriptor, reinterpret_cast<sockaddr*>(&name), sizeof(name)) == 0 ? 0 : errno;
  }
  void Disconnect(size_t i) {
    ::close(clients_.at(i));
    clients_.erase(clients_.begin() + static_cast<std::ptrdiff_t>(i));
  }

  std::string folder_;
  std::vector<int> clients_;
};

TEST_F(ConnectionsTest, PortZeroIsAPortThatIsFree) {
  const auto socket = MustOpen("127.0.0.1:0");
  ASSERT_NE(socket, nullptr);
  EXPECT_THAT(socket->address(), StartsWith("127.0.0.1:"));
  int port = 0;
  ASSERT_TRUE(absl::SimpleAtoi(socket->address().substr(10), &port));
  EXPECT_GT(port, 0);
}

TEST_F(ConnectionsTest, AnAddressInUseIsNamedWithWhatTheSystemSaid) {
  const auto socket = MustOpen("127.0.0.1:0");
  const absl::Status again = ListeningSocket::Open(socket->address()).status();
  EXPECT_EQ(again.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(again.message()), HasSubstr(socket->address()));
  EXPECT_THAT(std::string(again.message()), HasSubstr("Address already in use"));
  EXPECT_EQ(GetErrorInfo(again)->metadata["field"], "listen");
}

TEST_F(ConnectionsTest, AnAddressOfAnotherMachineAndANameOfNobodyAreNamed) {
  EXPECT_THAT(std::string(ListeningSocket::Open("192.0.2.1:0").status().message()),
              HasSubstr("Cannot assign requested address"));
  const absl::Status nobody = ListeningSocket::Open("no-such-name.invalid:0").status();
  EXPECT_EQ(nobody.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(nobody.message()), HasSubstr("no-such-name.invalid"));
}

TEST_F(ConnectionsTest, AUnixSocketGoesWithItsListener) {
  auto socket = MustOpen(UnixAddress());
  EXPECT_EQ(Connect(), 0);
  socket = nullptr;
  EXPECT_FALSE(std::filesystem::exists(UnixPath()));
}

TEST_F(ConnectionsTest, AListenerThatEndsLeavesTheSocketOfAnotherThatTookItsName) {
  auto first = MustOpen(UnixAddress());
  std::filesystem::remove(UnixPath());
  const auto second = MustOpen(UnixAddress());
  first = nullptr;
  EXPECT_EQ(Connect(), 0);
}

TEST_F(ConnectionsTest, ACheckFindsWhatOpeningWouldRefuseAndLeavesNothingBehind) {
  EXPECT_TRUE(ListeningSocket::Check(UnixAddress()).ok());
  EXPECT_FALSE(std::filesystem::exists(UnixPath()));
  EXPECT_TRUE(ListeningSocket::Check("127.0.0.1:0").ok());
  for (const std::string& address :
       {"unix:" + folder_ + "/missing/socket", std::string("unix:/dev/null/socket"),
        std::string("192.0.2.1:0"), std::string("no-such-name.invalid:0")}) {
    const absl::Status opened = ListeningSocket::Open(address).status();
    ASSERT_FALSE(opened.ok()) << address;
    EXPECT_EQ(ListeningSocket::Check(address).message(), opened.message());
  }
  std::ofstream(UnixPath()) << "precious";
  EXPECT_THAT(std::string(ListeningSocket::Check(UnixAddress()).message()),
              HasSubstr("Address already in use"));
}

TEST_F(ConnectionsTest, ACheckPassesAnAddressThatARunningDaemonHas) {
  const auto tcp = MustOpen("127.0.0.1:0");
  EXPECT_TRUE(ListeningSocket::Check(tcp->address()).ok());
  const auto unix_socket = MustOpen(UnixAddress());
  EXPECT_TRUE(ListeningSocket::Check(UnixAddress()).ok());
  EXPECT_EQ(Connect(), 0);
}

TEST_F(ConnectionsTest, AUnixSocketThatNobodyListensAtIsReplaced) {
  sockaddr_un name = {};
  name.sun_family = AF_UNIX;
  std::strncpy(name.sun_path, UnixPath().c_str(), sizeof(name.sun_path) - 1);
  const int left = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ASSERT_EQ(::bind(left, reinterpret_cast<sockaddr*>(&name), sizeof(name)), 0);
  ::close(left);
  EXPECT_NE(MustOpen(UnixAddress()), nullptr);
}

TEST_F(ConnectionsTest, AUnixSocketThatSomebodyListensAtIsNotTaken) {
  const auto socket = MustOpen(UnixAddress());
  EXPECT_THAT(std::string(ListeningSocket::Open(UnixAddress()).status().message()),
              HasSubstr("Address already in use"));
  EXPECT_EQ(Connect(), 0);
}

TEST_F(ConnectionsTest, AFileInTheSocketsPlaceStays) {
  std::ofstream(UnixPath()) << "precious";
  EXPECT_FALSE(ListeningSocket::Open(UnixAddress()).ok());
  EXPECT_TRUE(std::filesystem::exists(UnixPath()));
}

// Connections that were handed over, and what was told of others.
class AcceptorTest : public ConnectionsTest {
 protected:
  ~AcceptorTest() override {
    acceptor_ = nullptr;
    absl::MutexLock lock(&mutex_);
    for (const int descriptor : accepted_) ::close(descriptor);
  }

  void Start(uint64_t limit) {
    acceptor_ = std::make_unique<ConnectionAcceptor>(
        limit, [this](uint64_t connections, const absl::Status& why) {
          absl::MutexLock lock(&mutex_);
          told_ += connections;
          ++lines_;
          why_ = why;
        });
    acceptor_->Add(MustOpen(UnixAddress()), [this](int descriptor) {
      absl::MutexLock lock(&mutex_);
      accepted_.push_back(descriptor);
    });
    ASSERT_TRUE(acceptor_->Start().ok());
  }

  bool Await(const std::function<bool()>& condition) {
    absl::MutexLock lock(&mutex_);
    return mutex_.AwaitWithTimeout(absl::Condition(&condition, &std::function<bool()>::operator()),
                                   absl::Seconds(20));
  }
  bool AwaitAccepted(size_t count) {
    return Await([this, count] { return accepted_.size() == count; });
  }

  std::unique_ptr<ConnectionAcceptor> acceptor_;
  absl::Mutex mutex_;
  std::vector<int> accepted_;
  uint64_t told_ = 0;
  int lines_ = 0;
  absl::Status why_;
};

TEST_F(AcceptorTest, ConnectionsAreHandedOver) {
  Start(0);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(Connect(), 0);
  EXPECT_TRUE(AwaitAccepted(5));
  EXPECT_EQ(acceptor_->open_connections(), 5u);
}

TEST_F(AcceptorTest, PastTheLimitTheyAreClosedAndCountedAndToldOnce) {
  Start(3);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(Connect(), 0);
  ASSERT_TRUE(AwaitAccepted(3));
  for (int i = 0; i < 10; ++i) EXPECT_EQ(Connect(), 0);
  char byte = 0;
  for (size_t i = 3; i < 13; ++i) EXPECT_EQ(::read(clients_[i], &byte, 1), 0) << i;
  EXPECT_EQ(acceptor_->refused_connections(), 10u);
  absl::MutexLock lock(&mutex_);
  EXPECT_EQ(accepted_.size(), 3u);
  EXPECT_EQ(lines_, 1);
  EXPECT_EQ(GetErrorInfo(why_)->metadata["field"], "limits.max_connections");
}

TEST_F(AcceptorTest, AConnectionThatWasClosedMakesRoomForAnother) {
  Start(3);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(Connect(), 0);
  ASSERT_TRUE(AwaitAccepted(3));
  {
    absl::MutexLock lock(&mutex_);
    ::close(accepted_.back());  // as gRPC does when the other end went
    accepted_.pop_back();
  }
  EXPECT_EQ(acceptor_->open_connections(), 2u);
  EXPECT_EQ(Connect(), 0);
  EXPECT_TRUE(AwaitAccepted(3));
}

TEST_F(AcceptorTest, ALimitThatIsRaisedHoldsAtOnce) {
  Start(1);
  EXPECT_EQ(Connect(), 0);
  ASSERT_TRUE(AwaitAccepted(1));
  acceptor_->set_max_connections(2);
  EXPECT_EQ(Connect(), 0);
  EXPECT_TRUE(AwaitAccepted(2));
}

TEST_F(AcceptorTest, AfterStoppingNobodyIsLetIn) {
  Start(0);
  EXPECT_EQ(Connect(), 0);
  ASSERT_TRUE(AwaitAccepted(1));
  acceptor_->Stop();
  EXPECT_NE(Connect(), 0);
  absl::MutexLock lock(&mutex_);
  EXPECT_EQ(accepted_.size(), 1u);
}

}  // namespace
}  // namespace walden
